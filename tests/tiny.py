"""The least that is a run: one task, network, training and analysis for all tests of what is
around them. Tests that share them share their programs, whose compilation takes longest."""

from rnnensemble import DSA, PIF, Analysis, DSAGrid, VanillaRNN, tasks
from rnnensemble.metrics import Autocovariance

TASK = tasks.FlipFlop(n_bits=1, n_steps=12)
NETWORK = VanillaRNN(width=6)  # PIF tries all matchings
ANALYSIS = Analysis(
    dsa=DSA(rank=2, starts=4),
    grid=DSAGrid(ranks=(2,), delays=(1,)),
    autocovariance=Autocovariance(components=2, starts=4),
    pif=PIF(starts=1),
    dynamics_trials=8,
    behavior_trials=8,
    output_trials=4,
    fixed_trials=True,
)

TINY = """
size = 3
[task]
kind = "flipflop"
n_bits = 1
n_steps = 12
[network]
width = 6
[training]
batch = 8
epoch_steps = 4
max_epochs = 3
threshold = 10.0
patience = 2
[analysis]
dynamics_trials = 8
behavior_trials = 8
output_trials = 4
fixed_trials = true
[analysis.dsa]
rank = 2
starts = 4
[analysis.grid]
ranks = [2]
delays = [1]
[analysis.autocovariance]
components = 2
starts = 4
[analysis.pif]
starts = 1
"""
"""A preset of these."""
