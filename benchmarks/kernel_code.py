"""What the fused kernel becomes on an H100, seen on a machine without one.

    python benchmarks/kernel_code.py --cuda cudasite --triton tritonsite

Prints registers, spilled bytes and shared memory of both kernels at all widths, precisions and
blocks of trials, and the matrix instructions in their code. A kernel that spills keeps registers in
memory; one that needs more than 227 KB of shared memory does not run.

Beside the environment of benchmarks/launches.py it needs Triton, whose compiler is close to that in
XLA:

    v/bin/pip install --no-deps --target tritonsite triton==3.6.0          # 650 MB
"""

import argparse
import re
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks" / "workers")]

import launches

STEPS, THIN, NETWORKS, BATCHES = 100, 3, 4, (64, 32, 16)
INSTRUCTIONS = ("wgmma.mma_async", "mma.sync", "fma.rn.f32")


def main() -> None:
    """Prints one line for each kernel."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cuda", type=Path, required=True, help="the folder with JAX's CUDA plugin"
    )
    parser.add_argument("--triton", type=Path, required=True, help="the folder with Triton")
    options = parser.parse_args()
    launches.prepare(options.cuda.resolve())
    sys.path.append(str(options.triton.resolve()))

    import h100

    from rnnensemble.networks import fused

    mesh = h100.make_mesh(str(options.cuda.resolve()))
    for (precision, width), form in fused.FORMS.items():
        for batch in BATCHES:
            for name in ("states", "drives_bar"):
                found = described(triton_ir(mesh, name, precision, width, batch), form.warps)
                print(f"{name:10} {precision:8} N = {width:3} B = {batch:2}: {found}", flush=True)


def triton_ir(mesh: Any, name: str, precision: str, width: int, batch: int) -> str:
    """What JAX gives to Triton for one of the kernels."""
    import jax
    import jax.numpy as jnp
    from jax._src.pallas.triton import lowering
    from jax.sharding import NamedSharding, PartitionSpec

    from rnnensemble.networks import fused
    from rnnensemble.networks.cell import Scheme, VanillaParams

    whole = NamedSharding(mesh, PartitionSpec())

    def numbers(*shape: int) -> Any:
        return jax.ShapeDtypeStruct((NETWORKS, *shape), jnp.float32, sharding=whole)

    shapes = (width, THIN), (width, width), (width,), (THIN, width), (width,)
    params = VanillaParams(*(numbers(*shape) for shape in shapes))
    arrays = [numbers(STEPS, batch, THIN)]
    if name == "drives_bar":
        arrays.insert(0, numbers(STEPS + 1, batch, width))
    kernel = jax.vmap(partial(getattr(fused, name), Scheme("tanh", precision, "fused")))
    specs = (PartitionSpec(),) * (1 + len(arrays))
    mapped = jax.shard_map(
        kernel, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(), check_vma=False
    )
    found, lower = [], lowering.lower_jaxpr_to_triton_module

    def kept(*args: Any, **options: Any) -> Any:
        result = lower(*args, **options)
        found.append(result.module.operation.get_asm())
        return result

    lowering.lower_jaxpr_to_triton_module = kept
    try:
        jax.jit(mapped).lower(params, *arrays)
    finally:
        lowering.lower_jaxpr_to_triton_module = lower
    return found[-1]


def described(text: str, warps: int) -> str:
    """Registers, spills, shared memory and matrix instructions of a kernel."""
    import triton
    from triton.backends.compiler import GPUTarget

    with tempfile.TemporaryDirectory() as folder:
        source, code = Path(folder) / "kernel.ttir", Path(folder) / "kernel.ptx"
        source.write_text(text)
        how = {"num_warps": warps, "num_stages": 1}
        kernel = triton.compile(str(source), target=GPUTarget("cuda", 90, 32), options=how)
        code.write_text(kernel.asm["ptx"])
        ptxas = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "ptxas"
        command = [ptxas, "-v", "-arch=sm_90a", code, "-o", Path(folder) / "kernel.cubin"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    registers = re.findall(r"Used (\d+) registers", told)[0]
    spilled = re.findall(r"(\d+) bytes spill stores", told)[0]
    counts = {name: kernel.asm["ptx"].count(name) for name in INSTRUCTIONS}
    made_of = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    shared = kernel.metadata.shared / 1024
    return f"{registers} registers, {spilled} bytes spilled, {shared:.0f} KB shared; {made_of}"


if __name__ == "__main__":
    main()
