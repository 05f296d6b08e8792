"""Trials: inputs, targets and outputs over time."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rnnensemble.figures.canvas import Given, canvas, counted, line
from rnnensemble.figures.labels import thin
from rnnensemble.figures.panels import COLORS, channel_gap, counted_name, mark_stack
from rnnensemble.figures.style import Figure, ours
from rnnensemble.tasks import Trials


@ours()
def trials_figure(
    trials: Trials, outputs: np.ndarray, *, title: str, shown: int = 3, axes: Given = None
) -> Figure:
    """Example trials: inputs above, targets and outputs of one network below.

    Args:
        trials: Inputs `[B, T, I]`, targets `[B, T, O]`, mask `[B, T]`.
        outputs: Outputs of a network, `[B, T, O]`.
        title: Title.
        shown: Number of trials.
        axes: Axes to draw into, two a trial, first those of inputs; a figure of its own unless
            given.
    """
    made = canvas(axes, 2 * shown, columns=shown, width="double", aspect=0.55, extra=11.0)
    above, below = made.axes[:shown], made.axes[shown:]
    for trial, (top, bottom) in enumerate(zip(above, below, strict=True)):
        _draw_inputs(top, np.asarray(trials.inputs[trial]))
        draw_outputs(bottom, trials, outputs, trial)
        top.set_title(f"trial {trial + 1}")
        bottom.set_xlabel("time step")
    for row in (above, below):
        ends = np.array([each.get_ylim() for each in row])
        for number, each in enumerate(row):
            each.set_ylim(ends.min(), ends.max())
            each.tick_params(labelleft=number == 0, labelbottom=row is below)
    above[0].set_ylabel(counted_name(trials.inputs.shape[2], "input"))
    below[0].set_ylabel(counted_name(trials.targets.shape[2], "output"))
    name = "network" if outputs.shape[2] == 1 else "network (a color each channel)"
    target = line("target", color="k", lw=0.7, ls="--")
    made.legend([target, line(name, color=COLORS[0], lw=1.2)], columns=2)
    made.title(title)
    caption = [
        f"Inputs (above) and outputs (below) of one network in {counted(shown, 'trial')}: {title}.",
        "Dashed lines are targets, drawn where the loss counts.",
        "Channels are stacked, a color each." if outputs.shape[2] > 1 else "",
    ]
    rows = [row for trial in range(shown) for row in trial_rows(trials, outputs, trial)]
    return made.told(caption, rows)


def trial_rows(trials: Trials, outputs: np.ndarray, trial: int) -> list[dict[str, Any]]:
    """The numbers of a trial, a row a step; without a target where the loss does not count."""
    counted_steps = np.asarray(trials.mask[trial]) > 0
    targets = np.where(counted_steps[:, None], np.asarray(trials.targets[trial]), np.nan)
    kinds = {"input": np.asarray(trials.inputs[trial]), "target": targets, "output": outputs[trial]}
    return [
        {"trial": trial + 1, "step": step}
        | {
            f"{kind}_{channel + 1}": value
            for kind, values in kinds.items()
            for channel, value in enumerate(values[step])
        }
        for step in range(len(targets))
    ]


def _draw_inputs(axes: Axes, inputs: np.ndarray) -> None:
    """Draws the inputs `[T, I]` of a trial, channels stacked."""
    gap = channel_gap(inputs)
    for channel, values in enumerate(inputs.T):
        color = COLORS[channel % len(COLORS)]
        axes.step(np.arange(len(values)), values - gap * channel, color=color, lw=0.8, where="post")
    mark_stack(axes, inputs.shape[1])


def draw_outputs(axes: Axes, trials: Trials, outputs: np.ndarray, trial: int) -> None:
    """Draws outputs and, where the loss counts, targets of a trial, channels stacked."""
    steps = np.arange(outputs.shape[1])
    counts = np.asarray(trials.mask[trial]) > 0
    targets = np.asarray(trials.targets[trial])
    gap = channel_gap(targets)
    for channel in range(outputs.shape[2]):
        shift = gap * channel
        target = np.where(counts, targets[:, channel], np.nan)
        color = COLORS[channel % len(COLORS)]
        axes.plot(steps, outputs[trial, :, channel] - shift, color=color, lw=1.2)
        axes.plot(steps, target - shift, color="k", lw=0.7, ls="--")
    mark_stack(axes, outputs.shape[2])


@ours()
def hold_figure(
    trials: Trials,
    outputs: np.ndarray,
    losses: np.ndarray,
    *,
    trained_steps: int,
    axes: Given = None,
) -> Figure:
    """Outputs of one network over a long trial, and the error of every network over time.

    Args:
        trials: Long trials.
        outputs: Outputs of one network on them, `[B, T, O]`.
        losses: Squared error of every network at every step, averaged over trials, `[M, T]`.
        trained_steps: Trial length in training.
        axes: Two Axes to draw into; a figure of its own unless given.
    """
    made = canvas(axes, 2, columns=1, width="double", aspect=0.25)
    above, below = made.axes
    draw_outputs(above, trials, outputs, 0)
    above.set_ylabel(counted_name(outputs.shape[2], "output"))
    for index, row in enumerate(losses):
        below.plot(row, color=COLORS[index % len(COLORS)], lw=0.6)
    below.set_yscale("log")
    thin(below)
    below.set(ylabel="MSE, each network", xlabel="time step")
    for each in made.axes:
        each.set_xlim(0, outputs.shape[1])
        each.axvline(trained_steps, color="k", lw=0.7, ls=":")
    above.set_title(f"trained on {trained_steps} steps (dotted line)")
    caption = [
        f"Outputs of one network over a trial of {outputs.shape[1]} steps, with dashed targets, "
        f"and below the mean squared error of {counted(len(losses), 'network')} at every step.",
        f"Networks were trained on {trained_steps} steps (dotted line).",
    ]
    rows = [
        row | {f"error_{k}": values[row["step"]] for k, values in enumerate(losses)}
        for row in trial_rows(trials, outputs, 0)
    ]
    return made.told(caption, rows)
