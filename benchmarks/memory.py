"""Extra memory of every operation on a long 1-d signal, beside inputs and result.

    python -m benchmarks.memory

The layer is the first of M5 (16,000 samples, kernel 80, stride 4, batch 16, 128
channels), for which a dense index pattern takes 19 GiB. Peak resident memory is read
from the kernel, which lets a process reset its own peak (Linux).
"""

from __future__ import annotations

import argparse
import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tnconv

BATCH, CHANNELS, SAMPLES, KERNEL, STRIDE = 16, 128, 16000, 80, 4
OUTPUT = (SAMPLES - KERNEL) // STRIDE + 1


def operations(make: Callable[[tuple[int, ...]], Any]) -> dict[str, Callable[[], Any]]:
    """Every operation on M5's first layer, as calls; arrays are made by ``make``."""
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


def extra_bytes(call: Callable[[], Any]) -> tuple[int, int]:
    """Bytes of the result, and the peak beyond what was there before and the result."""
    call()  # plans, compiles, warms up
    ctypes.CDLL(None).malloc_trim(0)  # hand back what was freed, or it hides the peak
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    result = call()
    peak = _status("VmHWM") - before
    return int(result.nbytes), max(0, peak - int(result.nbytes))


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"this system does not report {field}")


def arrays_of(library: str) -> Callable[[tuple[int, ...]], Any]:
    """Random float32 arrays of a library."""
    rng = np.random.default_rng(0)

    def make(shape: tuple[int, ...]) -> Any:
        array = rng.standard_normal(shape, dtype=np.float32)
        if library == "torch":
            import torch

            return torch.from_numpy(array)
        return array

    return make


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--library", choices=("numpy", "torch"), nargs="*")
    chosen = parser.parse_args().library or ["numpy", "torch"]
    print("| library | operation | inputs + result, MiB | extra, MiB | ratio |")
    print("|---|---|---|---|---|")
    for library in chosen:
        for name, call in operations(arrays_of(library)).items():
            result, extra = extra_bytes(call)
            whole = result + given_bytes(name)
            print(
                f"| {library} | {name} | {whole / 2**20:.1f} | {extra / 2**20:.1f} "
                f"| {extra / whole:.2f} |"
            )


if __name__ == "__main__":
    main()
