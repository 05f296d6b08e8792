"""What this machine is."""

import json
from pathlib import Path

import rnnensemble as rnne
from rnnensemble._core import runtime


def describe() -> dict:
    """Processor, cores, devices and versions."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {**runtime.describe(), "processor": models[0] if models else "unknown"}


if __name__ == "__main__":
    rnne.use_all_cores()
    print(json.dumps(describe()))
