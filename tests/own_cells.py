"""Cells of one's own, as a lab would write them, and some that are none."""

import jax.numpy as jnp
from flax import linen, nnx


class Traced(nnx.RNNCellBase):
    """h_t = tanh(W [x_t, h_{t-1}]), put out twice as large, beside a trace of h as a matrix."""

    def __init__(self, in_features, hidden_features, *, rngs, decay=0.5):
        self.dense = nnx.Linear(in_features + hidden_features, hidden_features, rngs=rngs)
        self.units, self.decay = hidden_features, decay

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        before = input_shape[:-1]
        return {"h": jnp.zeros((*before, self.units)), "trace": jnp.zeros((*before, 2, 2))}

    def __call__(self, carry, inputs):
        h = jnp.tanh(self.dense(jnp.concatenate([inputs, carry["h"]], axis=-1)))
        trace = self.decay * carry["trace"] + h[..., :4].reshape(*h.shape[:-1], 2, 2)
        return {"h": h, "trace": trace}, 2 * h

    @property
    def num_feature_axes(self):
        return 1


class Noisy(Traced):
    """Draws random numbers."""

    def __init__(self, *args, rngs, **more):
        super().__init__(*args, rngs=rngs, **more)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)


class Normed(Traced):
    """Keeps statistics of batches."""

    def __init__(self, *args, rngs, **more):
        super().__init__(*args, rngs=rngs, **more)
        self.norm = nnx.BatchNorm(self.units, rngs=rngs)


class Fixed(Traced):
    """Holds an array that is no parameter."""

    def __init__(self, *args, rngs, **more):
        super().__init__(*args, rngs=rngs, **more)
        self.scale = nnx.Variable(jnp.ones(()))


class Counted(Traced):
    """Has a parameter that cannot be trained."""

    def __init__(self, *args, rngs, **more):
        super().__init__(*args, rngs=rngs, **more)
        self.count = nnx.Param(jnp.zeros((), jnp.int32))


class OneTrial(Traced):
    """Starts a carry without an axis of trials."""

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        return {"h": jnp.zeros(self.units), "trace": jnp.zeros((2, 2))}


class Narrow(Traced):
    """Puts out fewer numbers than it has units."""

    def __call__(self, carry, inputs):
        carry, out = super().__call__(carry, inputs)
        return carry, out[..., :-1]


class Changed(Traced):
    """Changes the shape of its carry."""

    def __call__(self, carry, inputs):
        carry, out = super().__call__(carry, inputs)
        return carry | {"trace": carry["trace"][..., 0]}, out


class Alone(Traced):
    """Returns its output alone."""

    def __call__(self, carry, inputs):
        return super().__call__(carry, inputs)[1]


class Broken(Traced):
    """Fails."""

    def __call__(self, carry, inputs):
        raise RuntimeError("no such luck")


class Grown(Traced):
    """Its carry has the inputs' size."""

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        return super().initialize_carry(input_shape) | {"x": jnp.zeros(input_shape)}

    def __call__(self, carry, inputs):
        after, out = super().__call__(carry, inputs)
        return after | {"x": inputs}, out


class LinenNormed(linen.RNNCellBase):
    """A cell of linen with statistics of batches."""

    features: int

    @linen.nowrap
    def initialize_carry(self, rng, input_shape):
        return jnp.zeros((*input_shape[:-1], self.features))

    @linen.compact
    def __call__(self, carry, inputs):
        h = linen.BatchNorm(use_running_average=True)(linen.Dense(self.features)(inputs) + carry)
        return h, h

    num_feature_axes = 1


def made(in_features, hidden_features, *, rngs):
    """A function that makes a cell."""
    return nnx.GRUCell(in_features, hidden_features, rngs=rngs)


def made_wrong(in_features, hidden_features, *, rngs):
    """A function that makes none."""
    return nnx.Linear(in_features, hidden_features, rngs=rngs)
