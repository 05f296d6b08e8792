"""Whatever a device takes at once, and however many there are, the results are the same.

tests/tiles.py runs every public function in a process of its own, as on a GPU: 64 networks, pairs
or states at once and no limit of a cache. No other test reaches these branches on a CPU.
"""

import subprocess
import sys

import numpy as np
import pytest

from tests import many_devices, tiles

pytestmark = pytest.mark.long

WAYS = {"one by one": (1, 0), "tiles": (1, 64), "tiles on 8 devices": (8, 64)}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What all cases returned, by way."""
    folder = tmp_path_factory.mktemp("tiles")
    results = {}
    for way, (devices, tile) in WAYS.items():
        file = folder / f"{way}.npz"
        command = [sys.executable, tiles.__file__, str(file), str(devices), str(tile)]
        subprocess.run(command, check=True, timeout=900)
        results[way] = dict(np.load(file))
    return results


@pytest.mark.parametrize("way", ["tiles", "tiles on 8 devices"])
@pytest.mark.parametrize("case", tiles.CASES)
def test_tiles_and_devices_do_not_matter(found, case, way):
    names = [name for name in found[way] if name.startswith(f"{case}: ")]
    assert bool(names) == (way == "tiles" or case in tiles.SPREAD)
    for name in names:
        expected, got = found["one by one"][name], found[way][name]
        scale = np.nanmax(np.abs(expected), initial=1e-6)
        np.testing.assert_allclose(got, expected, 1e-4, 1e-4 * scale, err_msg=name)


def test_networks_and_distances_are_the_same_to_the_last_bit_on_any_number_of_devices(tmp_path):
    for way in ([], ["alone"]):
        command = [sys.executable, many_devices.__file__, str(tmp_path), *way]
        done = subprocess.run(command, check=True, timeout=900, capture_output=True, text=True)
        assert done.stdout == ""
