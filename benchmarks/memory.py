"""Extra memory of every operation on a long 1-d signal, beside inputs and result.

    python -m benchmarks.memory

The layer is the first of M5 (16,000 samples, kernel 80, stride 4, batch 16, 128
channels), for which a dense index pattern takes 19 GiB. Peak resident memory is read
from the kernel, which lets a process reset its own peak (Linux).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from benchmarks.measure import extra_bytes

HELP = "extra memory of every operation on a long 1-d signal"

BATCH, CHANNELS, SAMPLES, KERNEL, STRIDE = 16, 128, 16000, 80, 4
OUTPUT = (SAMPLES - KERNEL) // STRIDE + 1


def operations(make: Callable[[tuple[int, ...]], Any]) -> dict[str, Callable[[], Any]]:
    """Every operation on M5's first layer, as calls; arrays are made by ``make``."""
    import tnconv

    x, w = make((BATCH, 1, SAMPLES)), make((CHANNELS, 1, KERNEL))
    v = make((BATCH, CHANNELS, OUTPUT))
    return {
        "conv": lambda: tnconv.conv(x, w, stride=STRIDE),
        "conv_input_vjp": lambda: tnconv.conv_input_vjp(
            w, v, (SAMPLES,), stride=STRIDE
        ),
        "conv_weight_vjp": lambda: tnconv.conv_weight_vjp(
            x, v, (KERNEL,), stride=STRIDE
        ),
        "conv_jvp": lambda: tnconv.conv_jvp(x, w, x_tangent=x, stride=STRIDE),
        "unfold": lambda: tnconv.unfold(x, (KERNEL,), stride=STRIDE),
    }


def given_bytes(name: str) -> int:
    """Bytes of the arrays that an operation reads, in float32."""
    x, w = BATCH * SAMPLES, CHANNELS * KERNEL
    v = BATCH * CHANNELS * OUTPUT
    read = {"conv_input_vjp": w + v, "conv_weight_vjp": x + v, "unfold": x}
    return 4 * read.get(name, x + w)


def arrays_of(library: str) -> Callable[[tuple[int, ...]], Any]:
    """Random float32 arrays of a library."""
    import numpy as np

    rng = np.random.default_rng(0)

    def make(shape: tuple[int, ...]) -> Any:
        array = rng.standard_normal(shape, dtype=np.float32)
        if library == "torch":
            import torch

            return torch.from_numpy(array)
        return array

    return make


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--library", choices=("numpy", "torch"), nargs="*")


def main(options: argparse.Namespace) -> int:
    """Print the table; status 1 where the system does not report memory."""
    print("| library | operation | inputs + result, MiB | extra, MiB | ratio |")
    print("|---|---|---|---|---|")
    for library in options.library or ["numpy", "torch"]:
        for name, call in operations(arrays_of(library)).items():
            whole = int(call().nbytes) + given_bytes(name)  # plans and warms up
            extra = extra_bytes(call)
            if extra is None:
                print("this system does not report the peak of a process")
                return 1
            print(
                f"| {library} | {name} | {whole / 2**20:.1f} | {extra / 2**20:.1f} "
                f"| {extra / whole:.2f} |"
            )
    return 0
