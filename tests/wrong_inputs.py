"""Mistakes of users: what is asked for, and the argument that the one line must name in backticks.

Words in capitals stand for files that `tests/test_wrong_inputs.py` makes; a text in `FILES` stands
for a file of its name. Each line is one command; shell quotes hold.
"""

TABLE = """
trian | train
"" | command
" " | command
Train | train
--size | command
train | preset
train nothing.toml | preset
train "" | preset
train . | preset
train FOLDER | preset
train PRESET PRESET | one argument too many
train PRESET extra | extra
train PRESET --size | --size
train PRESET --size many | --size
train PRESET --size 1.5 | --size
train PRESET --size nan | --size
train PRESET --size "" | --size
train PRESET --size 0 | size
train PRESET --size -3 | size
train PRESET --size 1 | size
train PRESET --size 1000000000 | size
train PRESET --size 1000000000000000000000 | size
train PRESET --seed -1 | seed
train PRESET --seed x | --seed
train PRESET --seed 0.5 | --seed
train PRESET --seed 18446744073709551616 | seed
train PRESET --sise 3 | --size
train PRESET --devices 0 | devices
train PRESET --devices -1 | devices
train PRESET --devices 99 | devices
train PRESET --devices two | --devices
train PRESET --devices 1.5 | --devices
train PRESET --name a/b | name
train PRESET --name .. | name
train PRESET --name . | name
train PRESET --name ../evil | name
train PRESET --name ../../../../evil | name
train PRESET --name /tmp/evil | name
train PRESET --name 'a\\b' | name
train PRESET --name "" | name
train PRESET --name " " | name
train PRESET --name .hidden | name
train PRESET --name LONG | name
train PRESET --name LINES | name
train PRESET --name | --name
train PRESET --runs FILE | runs
train PRESET --runs BELOW | runs
train PRESET --runs /proc/nowhere | runs
train PRESET --runs LONG | runs
train PRESET --runs | --runs
train PRESET --resume | run
train PRESET --resume --name elsewhere | run
train PRESET --resume=yes | --resume
train PRESET --quiet=maybe | --quiet
train PRESET --runs RUNS --name done | name
train PRESET --runs RUNS --name swept --resume | run
train PRESET --runs RUNS --name far --resume | run
train PRESET --shard | --shard
train PRESET --shard "" | shard
train PRESET --shard 1 | shard
train PRESET --shard 0/2 | shard
train PRESET --shard 3/2 | shard
train PRESET --shard 1/4 | shard
train PRESET --shard 1/0 | shard
train PRESET --shard -1/2 | shard
train PRESET --shard half | shard
train PRESET --shard 1/2 --size 1 | shard
train PRESET --shard 1/2 --size 1000000000000 | size
train PRESET --shard 1/2 --name a/b | name
train PRESET --shard 1/2 --devices 99 | devices
train PRESET --shard 1/2 --runs FILE | runs
train PRESET --shard 1/2 --resume | run
train PRESET --shard 1/2 --network.width 1 | rank
train PRESET --training.learning-rate 0 | learning_rate
train PRESET --training.learning-rate -1 | learning_rate
train PRESET --training.learning-rate nan | learning_rate
train PRESET --training.learning-rate inf | learning_rate
train PRESET --training.learning-rate fast | --training.learning-rate
train PRESET --training.learning-rate 0.1 0.2 | learning_rate
train PRESET --training.learning-rte 0.1 | --training.learning-rate
train PRESET --training.clip-norm 0 | clip_norm
train PRESET --training.clip-norm -1 | clip_norm
train PRESET --training.clip-norm nan | clip_norm
train PRESET --training.threshold 0 | threshold
train PRESET --training.threshold -1 | threshold
train PRESET --training.threshold nan | threshold
train PRESET --training.threshold inf | threshold
train PRESET --training.threshold x | --training.threshold
train PRESET --training.nuclear-norm -1 | nuclear_norm
train PRESET --training.nuclear-norm nan | nuclear_norm
train PRESET --training.nuclear-norm inf | nuclear_norm
train PRESET --training.l1 -1 | l1
train PRESET --training.l1 nan | l1
train PRESET --training.l1 1e999 | l1
train PRESET --training.l2 -1 | l2
train PRESET --training.rates-l2 nan | rates_l2
train PRESET --training.loss msee | loss
train PRESET --training.loss cross_entropy | classes
train PRESET --training.loss nowhere:nothing | loss
train PRESET --training.criterion both | --training.criterion
train PRESET --training.criterion accuracy | threshold
train PRESET --training.optimizer.b1 1 | b1
train PRESET --training.optimizer.momentum 0.9 | --training.optimizer.momentum
train PRESET --training.batch 0 | batch
train PRESET --training.batch -8 | batch
train PRESET --training.batch 2.5 | --training.batch
train PRESET --training.batch 10000000000 | batch
train PRESET --training.epoch-steps 0 | epoch_steps
train PRESET --training.epoch-steps x | --training.epoch-steps
train PRESET --training.epoch-steps 10000000000 | epoch_steps
train PRESET --training.max-epochs 0 | max_epochs
train PRESET --training.max-epochs -5 | max_epochs
train PRESET --training.max-epochs 10000000000 | max_epochs
train PRESET --training.patience 0 | patience
train PRESET --training.patience 1.5 | --training.patience
train PRESET --training.plateau-factor 0 | plateau_factor
train PRESET --training.plateau-factor 1.5 | plateau_factor
train PRESET --training.plateau-factor -1 | plateau_factor
train PRESET --training.plateau-factor nan | plateau_factor
train PRESET --training.plateau-patience 0 | plateau_patience
train PRESET --training.snapshots 0 100000 | snapshots
train PRESET --training.snapshots 2 1 | snapshots
train PRESET --training.snapshots 1 1 | snapshots
train PRESET --training.snapshots -1 | snapshots
train PRESET --training.snapshots 0.5 | --training.snapshots
train PRESET --training 3 | --training
train PRESET --task.n-bits 0 | n_bits
train PRESET --task.n-bits -2 | n_bits
train PRESET --task.n-bits 1.5 | --task.n-bits
train PRESET --task.n-bits 100000000000 | inputs
train PRESET --task.n-steps 0 | n_steps
train PRESET --task.n-steps 1 | n_steps
train PRESET --task.n-steps -1 | n_steps
train PRESET --task.n-steps x | --task.n-steps
train PRESET --task.n-steps 100000000 | n_steps
train PRESET --task.n-steps 100000000000000 | n_steps
train PRESET --task.pulse-probability -0.1 | pulse_probability
train PRESET --task.pulse-probability 1.1 | pulse_probability
train PRESET --task.pulse-probability nan | pulse_probability
train PRESET --task.input-noise -1 | input_noise
train PRESET --task.input-noise nan | input_noise
train PRESET --task.input-noise inf | input_noise
train PRESET --task.kind sine | --task.kind
train PRESET --task.frequency 1 | --task.frequency
train PRESET --network.width 0 | width
train PRESET --network.width -8 | width
train PRESET --network.width 1 | rank
train PRESET --network.width 10000000 | width
train PRESET --network.width x | --network.width
train PRESET --network.gain 0 | gain
train PRESET --network.gain nan | gain
train PRESET --network.gain -1 | gain
train PRESET --network.gain 1 2 | gain
train PRESET --network.gain x | --network.gain
train PRESET --network.activation sigmoid | --network.activation
train PRESET --network.precision double | --network.precision
train PRESET --network.fused maybe | --network.fused
train PRESET --network.gamma 2 | --network.gamma
train PRESET --network.widht 8 | --network.width
train PRESET --analysis.dsa.rank 0 | rank
train PRESET --analysis.dsa.rank 9 | rank
train PRESET --analysis.dsa.rank x | --analysis.dsa.rank
train PRESET --analysis.dsa.n-delays 0 | n_delays
train PRESET --analysis.dsa.n-delays 99 | n_delays
train PRESET --analysis.dsa.starts 0 | starts
train PRESET --analysis.grid.ranks 0 | ranks
train PRESET --analysis.grid.ranks 2 2 | ranks
train PRESET --analysis.grid.ranks x | --analysis.grid.ranks
train PRESET --analysis.grid.ranks 99 | rank
train PRESET --analysis.grid.delays 0 | delays
train PRESET --analysis.grid.delays 99 | n_delays
train PRESET --analysis.grid.shares 0 | shares
train PRESET --analysis.grid.shares 1.5 | shares
train PRESET --analysis.grid.shares nan | shares
train PRESET --analysis.pif.starts 0 | starts
train PRESET --analysis.pif.parameters some | --analysis.pif.parameters
train PRESET --analysis.null-share 0 | null_share
train PRESET --analysis.null-share 1 | null_share
train PRESET --analysis.null-share nan | null_share
train PRESET --analysis.dynamics-trials 0 | dynamics_trials
train PRESET --analysis.dynamics-trials 10000000000 | dynamics_trials
train PRESET --analysis.behavior-trials 0 | behavior_trials
train PRESET --analysis.behavior-trials 10000000000 | behavior_trials
train PRESET --analysis.output-trials 0 | output_trials
train PRESET --analysis.output-trials 10000000000 | output_trials
train PRESET --analysis.most-trials 0 | most_trials
train PRESET --analysis.no-fixed-trials --analysis.most-trials 2 | most_trials
train PRESET --analysis.seed -1 | seed
train PRESET --analysis.seed x | --analysis.seed
train PRESET --analysis.fixed-points 0 | starts
train PRESET --analysis.measures nothing | measure
train PRESET --analysis.measures dynamics | measures
train PRESET --analysis.measures representation representation | measures
train PRESET --analysis.autocovariance.lags -1 | lags
train PRESET --features.trials 3 | --features.trials
train PRESET --deflation.strength 1 | --deflation.strength
train PRESET --imports os | --imports
train PRESET --starts 1 | --starts
quickstart extra | extra
quickstart --size 1 | size
quickstart --size 1000000000 | size
quickstart --task.n-steps 100000000 | n_steps
quickstart --devices 99 | devices
quickstart --name a/b | name
quickstart --runs FILE | runs
quickstart --resume | run
join | shards
join --name x | shards
join nowhere | run
join FILE | run
join FOLDER | run
join DONE | shards
join DONE DONE | shards
join SWEPT | shards
join COMPARED | shards
join DAMAGED | shards
join CLIPPED | run
join FUTURE | run
join DONE --shard 1/2 | --shard
analyse | run
analyse nowhere | run
analyse FILE | run
analyse PRESET | run
analyse FOLDER | run
analyse SWEPT | sweep
analyse PLANNED | rnnensemble deflate
analyse COMPARED | distances
analyse DAMAGED | run
analyse CLIPPED | run
analyse FUTURE | run
analyse PAST | run
analyse DONE extra | extra
analyse DONE --over-training | population
analyse DONE --analysis.dsa.rank 0 | rank
analyse DONE --analysis.dsa.rank 99 | rank
analyse DONE --analysis.seed -1 | seed
analyse DONE --analysis.null-share 2 | null_share
analyse DONE --analysis.output-trials 10000000000 | output_trials
analyse DONE --devices 0 | devices
analyse DONE --devices 99 | devices
analyse DONE --runs elsewhere | --runs
analyse DONE --block 3 | --block
analyse DONE --mask RATES.npy | --mask
analyse DONE --size 3 | --size
analyse --activity nowhere.npy | activity
analyse --activity | --activity
analyse --activity FOLDER | activity
analyse --activity FILE | activity
analyse --activity EMPTY.npy | activity
analyse --activity SHORT.npy | activity
analyse --activity TEXT.npy | activity
analyse --activity PICKLED.npy | activity
analyse --activity COMPLEX.npy | activity
analyse --activity WORDS.npy | activity
analyse --activity BOOL.npy | activity
analyse --activity FLAT.npy | activity
analyse --activity CUBE.npy | activity
analyse --activity NAN.npy | activity
analyse --activity INF.npy | activity
analyse --activity ONE.npy | activity
analyse --activity NONE.npy | activity
analyse --activity NOTRIALS.npy | activity
analyse --activity SHORT.npz | activity
analyse --activity NOTHING.npz | activity
analyse --activity RAGGED.npz | activity
analyse --activity SHORT.safetensors | activity
analyse --activity RATES.npy --metrics nothing | metric
analyse --activity RATES.npy --metrics pif | weights
analyse --activity RATES.npy --metrics disagreement | outputs
analyse --activity RATES.npy --metrics ckaa | metric
analyse --activity RATES.npy --metrics cka --dsa.rank 2 | dsa
analyse --activity RATES.npy --dsa.rank 0 | rank
analyse --activity RATES.npy --dsa.rank 99 | rank
analyse --activity RATES.npy --dsa.n-delays 99 | n_delays
analyse --activity RATES.npy --dsa.rank x | --dsa.rank
analyse --activity RATES.npy --memory-gb 0 | memory_gb
analyse --activity RATES.npy --memory-gb -1 | memory_gb
analyse --activity RATES.npy --memory-gb nan | memory_gb
analyse --activity RATES.npy --memory-gb 1e-9 | memory
analyse --activity RATES.npy --memory-gb x | --memory-gb
analyse --activity RATES.npy --seed -1 | seed
analyse --activity RATES.npy --seed x | --seed
analyse --activity RATES.npy --seed 18446744073709551616 | seed
analyse --activity RATES.npy --devices 0 | devices
analyse --activity RATES.npy --devices 99 | devices
analyse --activity RATES.npy --name a/b | name
analyse --activity RATES.npy --name .. | name
analyse --activity RATES.npy --name "" | name
analyse --activity RATES.npy --runs FILE | runs
analyse --activity RATES.npy --runs RUNS --name done | name
analyse --activity RATES.npy --weights WEIGHTS5.npy | weights
analyse --activity RATES.npy --block 0 | block
analyse --activity RATES.npy --block -1 | block
analyse --activity RATES.npy --block x | --block
analyse --activity RATES.npy --engine nothing | engine
analyse --activity RATES.npy --engine-setting gpus=1 | engine_setting
analyse --activity RATES.npy --mask nowhere.npy | mask
analyse --activity RATES.npy --mask RATES.npy | mask
analyse --activity RATES.npy --mask | --mask
analyse --activity RATES.npy extra | extra
analyse --activty RATES.npy | --activity
analyse --weights RATES.npy | weights
analyse --weights OBLONG.npy | weights
analyse --weights NANWEIGHTS.npy | weights
analyse --outputs FLAT.npy | outputs
sweep | sweep
sweep nowhere.toml | sweep
sweep FOLDER | sweep
sweep PRESET | size
sweep SWEEP extra | extra
sweep SWEEP --only nothing | only
sweep SWEEP --only gain=7 | only
sweep SWEEP --only gain:sine | only
sweep SWEEP --only gain=x | only
sweep SWEEP --only | --only
sweep SWEEP --group nothing | group
sweep SWEEP --group 99 | group
sweep SWEEP --group 0 | group
sweep SWEEP --preset other | preset
sweep SWEEP --devices 99 | devices
sweep SWEEP --devices 0 | devices
sweep SWEEP --tile 0 | tile
sweep SWEEP --tile -1 | tile
sweep SWEEP --tile x | --tile
sweep SWEEP --tile 1000000000000 | tile
sweep SWEEP --checkpoint-seconds -1 | checkpoint_seconds
sweep SWEEP --checkpoint-seconds nan | checkpoint_seconds
sweep SWEEP --checkpoint-seconds x | --checkpoint-seconds
sweep SWEEP --shards 0 | shards
sweep SWEEP --shards -1 | shards
sweep SWEEP --shards 99 | shards
sweep SWEEP --shards x | --shards
sweep SWEEP --engine nothing | engine
sweep SWEEP --engine-setting gpus=1 | engine_setting
sweep SWEEP --runs FILE | runs
sweep SWEEP --runs /proc/nowhere | runs
sweep SWEEP --runs RUNS | sweep
sweep SWEEP --dryrun | --dry-run
sweep SWEEP --upate | --update
deflate | plan
deflate nowhere.toml | plan
deflate FOLDER | plan
deflate PRESET | size
deflate PLAN extra | extra
deflate PLAN --devices 99 | devices
deflate PLAN --checkpoint-seconds -1 | checkpoint_seconds
deflate PLAN --checkpoint-seconds nan | checkpoint_seconds
deflate PLAN --runs FILE | runs
deflate PLAN --runs RUNS | name
battery | folder
battery nowhere | folder
battery FILE | folder
battery FOLDER | folder
battery DONE | rnnensemble deflate
battery SWEPT | rnnensemble deflate
battery PLANNED | standard
battery PLANNED --devices 99 | devices
show nowhere | run
show FILE | run
show FOLDER | run
show DAMAGED | run
show CLIPPED | run
show FUTURE | run
show DONE DONE | one argument too many
show --runs nowhere | runs
show --runs FILE | runs
show --run DONE | --runs
show --foo | --foo
report | folder
report nowhere | folder
report FILE | folder
report FOLDER | folder
report DONE DONE | folder
report DONE SWEPT | run
report DONE --to FOLDER | to
report DONE --to /proc/nowhere/page.html | to
report PLANNED | folder
report SWEPT | sweep.toml
report SWEPT --permutations 0 | permutations
report SWEPT --permutations -1 | permutations
report SWEPT --permutations x | --permutations
report SWEPT --permutations 100000000000 | permutations
advise --want something | want
advise --level nothing | level
advise --task nothing | task
advise --summary nowhere.csv | summary
advise --summary FOLDER | summary
advise --summary FILE | summary
advise --summary RATES.npy | summary
advise --lvel weights | --level
advise more | more
benchmark --width 0 | width
benchmark --width x | --width
benchmark --width 8 16 --batch 4 | batch
benchmark --batch 0 0 0 | batch
benchmark --steps 0 | steps
benchmark --sizes 0 | sizes
benchmark --sizes -1 | sizes
benchmark --tile 0 | tile
benchmark --tile 1000000 | tile
benchmark --platform quantum | platform
benchmark --seconds 0 | seconds
benchmark --seconds -1 | seconds
benchmark --seconds nan | seconds
benchmark --name a/b | name
benchmark --name .. | name
benchmark --runs FILE | runs
benchmark --sise 3 | --sizes
tasks more | more
tasks --all | --all
"""

SMALL = 'size = 3\n[task]\nkind = "flipflop"\nn_steps = 12\n[network]\nwidth = 8\n'

PRESETS = {
    "": "task.kind",
    "size =": "preset",
    "size = 3\nsize = 4": "preset",
    "[task": "preset",
    "size = 3": "task.kind",
    "task = 3": "task.kind",
    "task = 'flipflop'": "task.kind",
    "[task]\nn_bits = 1": "task.kind",
    "[task]\nkind = 3": "task",
    "[task]\nkind = ['flipflop']": "task",
    "[task]\nkind = {}": "task",
    "[task]\nkind = 'flipfop'": "task",
    "[task]\nkind = ''": "task",
    "[task]\nkind = 'flipflop'\nn_bit = 1": "task.n_bits",
    "[task]\nkind = 'flipflop'\nn_bits = 1.5": "task.n_bits",
    "[task]\nkind = 'flipflop'\nn_bits = true": "task.n_bits",
    "[task]\nkind = 'flipflop'\nn_bits = [1]": "task.n_bits",
    "[task]\nkind = 'flipflop'\nn_bits = '1'": "task.n_bits",
    "[task]\nkind = 'sine'\nfrequency = [1.0]": "task.frequency",
    SMALL + "kind = 'transformer'": "network",
    SMALL + "kind = 'lstm'\nhidden = 'c'": "network.hidden",
    SMALL + "kind = 'flax'": "cell",
    SMALL + "kind = 'flax'\ncell = 'flax.nnx:No'": "cell",
    SMALL + "kind = 'flax'\ncell = 'flax.nnx:GRUCell'\narguments = 3": "network.arguments",
    SMALL + "kind = 3": "network",
    SMALL + "kind = []": "network",
    SMALL + "gain = 'big'": "network.gain",
    SMALL + "gain = [1.0, 2.0]": "gain",
    SMALL + "gain = [1.0, nan, 1.0]": "gain",
    SMALL + "gain = true": "network.gain",
    SMALL + "[training]\nlearning_rate = [0.1, 0.1]": "learning_rate",
    SMALL + "[training]\nlearning_rate = []": "learning_rate",
    SMALL + "[training]\nlearning_rate = nan": "learning_rate",
    SMALL + "[training]\nlearning_rate = '0.1'": "training.learning_rate",
    SMALL + "[training]\nlearning_rates = 0.1": "training.learning_rate",
    SMALL + "[training]\nbatch = 1e3": "training.batch",
    SMALL + "[training]\nthreshold = {}": "training.threshold",
    SMALL + "[analysis]\ndsa = 3": "analysis.dsa",
    SMALL + "[analysis.dsa]\nrank = 'all'": "analysis.dsa.rank",
    SMALL + "[analysis.dsa]\nrnk = 2": "analysis.dsa.rank",
    SMALL + "[analysis]\nmeasures = ['x']": "measure",
    SMALL + "[analysis]\nmeasures = 'representation'": "analysis.measures",
    SMALL + "[analysis]\nfixed_trials = 1": "analysis.fixed_trials",
    SMALL + "[features]\ntrials = 3": "features",
    SMALL + "[deflation]\nstrength = 1.0": "deflation",
    SMALL + "[extra]\nx = 1": "extra",
    "extra = 1\n" + SMALL: "extra",
    "seed = -1\n" + SMALL: "seed",
    "seed = '0'\n" + SMALL: "seed",
    "import = 3\n" + SMALL: "import",
    "import = [3]\n" + SMALL: "import",
    "import = ['no_such_module']\n" + SMALL: "import",
    "import = ['../evil']\n" + SMALL: "import",
    "import = ['']\n" + SMALL: "import",
    "import = ['.']\n" + SMALL: "import",
    "imports = ['os']\n" + SMALL: "import",
    "starts = [[0, 0]]\n" + SMALL: "starts",
    "starts = [[0, 0], [0, 1], [0, -1]]\n" + SMALL: "starts",
    "network = 3\n[task]\nkind = 'flipflop'": "network",
    "training = 'adam'\n[task]\nkind = 'flipflop'": "training",
}
"""Texts of presets, and what the line about them names."""

BASE = "[tasks.flipflop]\n" + SMALL.replace("[task]", "[tasks.flipflop.task]").replace(
    "[network]", "[tasks.flipflop.network]"
)
FACTOR = "[[factors]]\nname = 'gain'\ntask = 'flipflop'\nfield = 'network.gain'\nvalues = [1, 2]\n"

SWEEPS = {
    "": "name",
    "name = 'x'": "factors",
    "name = 3\n" + BASE + FACTOR: "name",
    "name = ''\n" + BASE + FACTOR: "name",
    "name = '../evil'\n" + BASE + FACTOR: "name",
    "name = 'a/b'\n" + BASE + FACTOR: "name",
    "name = 'x'\n[presets.'../../../../evil']\n" + BASE + FACTOR: "presets",
    "name = 'x'\n[presets.'a/b']\n" + BASE + FACTOR: "presets",
    "name = 'x'\n[presets.'']\n" + BASE + FACTOR: "presets",
    "name = 'x'\n[presets.size]\n" + BASE + FACTOR: "presets",
    "name = 'x'\npresets = 3\n" + BASE + FACTOR: "presets",
    "name = 'x'\nfactors = 3\n" + BASE: "factors",
    "name = 'x'\nfactors = [3]\n" + BASE: "factors",
    "name = 'x'\nother = 3\n" + BASE + FACTOR: "other",
    "name = 'x'\n" + BASE + FACTOR.replace("'gain'", "'../gain'"): "factors.name",
    "name = 'x'\n" + BASE + FACTOR.replace("[1, 2]", "[]"): "levels",
    "name = 'x'\n" + BASE + FACTOR.replace("[1, 2]", "[1, 1]"): "factors.gain",
    "name = 'x'\n" + BASE + FACTOR.replace("[1, 2]", "['a']"): "factors.gain",
    "name = 'x'\n" + BASE + FACTOR.replace("[1, 2]", "[nan]"): "factors.gain",
    "name = 'x'\n" + BASE + FACTOR.replace("[1, 2]", "[-1, 1]"): "gain",
    "name = 'x'\n" + BASE + FACTOR.replace("'flipflop'", "'sine'"): "factors.gain.task",
    "name = 'x'\n" + BASE + FACTOR.replace("'flipflop'", "3"): "factors.gain.task",
    "name = 'x'\n" + BASE + FACTOR.replace("'flipflop'", "[['flipflop']]"): "factors.gain.task",
    "name = 'x'\n" + BASE + FACTOR.replace("network.gain", "network.gian"): "gain",
    "name = 'x'\n" + BASE + FACTOR.replace("network.gain", "width"): "width",
    "name = 'x'\n" + BASE + FACTOR + "levels = []": "factors.gain",
    "name = 'x'\n" + BASE + FACTOR + FACTOR: "factors",
    "name = 'x'\n" + BASE.replace("size = 3", "size = 1") + FACTOR: "size",
    "name = 'x'\n" + BASE.replace("size = 3", "size = 1000000000") + FACTOR: "size",
    "name = 'x'\n" + BASE.replace("n_steps = 12", "n_steps = 100000000") + FACTOR: "memory",
}
"""Texts of sweep files, likewise."""

ROUNDS = "name = 'x'\n[alternative]\nsize = 2\n[standard]\n" + SMALL.replace(
    "[task]", "[standard.task]"
).replace("[network]", "[standard.network]")

PLANS = {
    "": "standard",
    "name = 'x'": "standard",
    ROUNDS.replace("name = 'x'\n", ""): "name",
    ROUNDS.replace("'x'", "'../x'"): "name",
    ROUNDS.replace("'x'", "3"): "name",
    "rounds = 0\n" + ROUNDS: "rounds",
    "rounds = 1.5\n" + ROUNDS: "rounds",
    "kept = 0\n" + ROUNDS: "kept",
    "references = 0\n" + ROUNDS: "references",
    "references = [9]\n" + ROUNDS: "references",
    "references = ['a']\n" + ROUNDS: "references",
    "gains = 3\n" + ROUNDS: "gains",
    "gains = []\n" + ROUNDS: "gains",
    "gains = [1, 2]\n" + ROUNDS: "gains",
    "gains = ['a']\n" + ROUNDS: "gains",
    "gains = [-1]\n" + ROUNDS: "gain",
    "round = 2\n" + ROUNDS: "rounds",
    ROUNDS.replace("size = 2", "size = 0"): "size",
    ROUNDS.replace("size = 2", "size = 1000000000"): "size",
    ROUNDS.replace("size = 3", "size = 1000000000"): "size",
    ROUNDS + "[alternative.deflation]\nstrength = -1": "strength",
    ROUNDS + "[alternative.deflation]\nstrengh = 1": "deflation.strength",
    ROUNDS + "[alternative.task]\nkind = 'sine'": "alternative",
    ROUNDS + "[standard.deflation]\nstrength = 1.0": "standard.deflation",
    "standard = 3\nalternative = 4\nname = 'x'": "standard",
}
"""Texts of plans, likewise."""
