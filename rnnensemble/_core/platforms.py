"""One function in several forms, each for a platform."""

from collections.abc import Callable
from typing import Any

import jax


def by_platform(*args: Any, default: Callable[..., Any], **forms: Callable[..., Any]) -> Any:
    """What the platform's form of a function returns; as `jax.lax.platform_dependent`.

    That traces all forms, since a program might be compiled for any platform. Where the program is
    spread over the host's cores (`mapping`), the one for CPUs alone is traced here. `forms` are
    those of `cpu`, `cuda`, `rocm` or `tpu`, `default` that of platforms without one of their own.
    """
    device = getattr(jax.sharding.get_abstract_mesh(), "abstract_device", None)
    if device is not None and device.platform == "cpu":
        return forms.get("cpu", default)(*args)
    return jax.lax.platform_dependent(*args, default=default, **forms)
