"""A step of training of factorized layers: ours against the chain of small layers.

    python -m benchmarks factorised-steps --threads 2

Forward, and the gradients of input and factors. ``chain`` is PyTorch's own layers, one
for each factor; ``dense`` is the layer with the finished weight, and ``apart`` plans
every gradient by itself. Gradients are compared before anything is timed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from math import exp, log
from statistics import fmean
from typing import Any

from benchmarks.measure import alternate
from benchmarks.table import table

HELP = "a step of training of factorized layers against PyTorch's chain"
#: channels out and in, map, stride
LAYERS = (
    (64, 64, 56, 1),
    (128, 64, 56, 2),
    (128, 128, 28, 1),
    (256, 256, 14, 1),
    (512, 512, 7, 1),
)
FORMATS = ("svd-out", "svd-spatial", "cp", "cp3", "tucker2", "tt")
PEERS = ("dense", "chain", "apart")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--formats", nargs="*", choices=FORMATS, default=FORMATS)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each case")


def main(options: argparse.Namespace) -> int:
    """Time every case, and print the ratios by format."""
    import torch

    torch.set_num_threads(options.threads)
    rows = []
    for format in options.formats:
        for layer in LAYERS:
            calls = steps(format, layer, options.batch)
            times = alternate(calls, options.seconds, 0)
            ms = {name: 1e3 * time.seconds for name, time in times.items()}
            rows.append((format, ms))
            print(format, layer, {a: round(t, 2) for a, t in ms.items()}, flush=True)
    print(ratios(rows))
    return 0


def steps(
    format: str, layer: tuple[int, int, int, int], batch: int
) -> dict[str, Callable[[], Any]]:
    """The contestants, checked against one another."""
    import torch

    import tnconv
    from tnconv_backends.torch import compress

    out, into, size, stride = layer
    torch.manual_seed(0)
    module = compress.FactorizedConv2d(
        into, out, 3, stride=stride, padding=1, bias=False,
        format=format, ranks=min(out, into) // 4,
    )  # fmt: skip
    chain, dense = module.to_sequential(), module.to_dense()
    x = torch.randn(batch, into, size, size, requires_grad=True)
    cotangent = torch.randn_like(dense(x).detach())

    def gradients(model: Any) -> tuple[Any, ...]:
        return torch.autograd.grad(model(x), [x, *model.parameters()], cotangent)

    def apart() -> Any:  # a limit that is never met: nothing is kept, nothing shared
        with tnconv.options(memory_limit=1 << 40):
            return gradients(module)

    calls: dict[str, Callable[[], Any]] = {
        "tnconv": lambda: gradients(module),
        "dense": lambda: gradients(dense),
        "chain": lambda: gradients(chain),
        "apart": apart,
    }
    for name in ("tnconv", "chain", "apart"):
        near = 1e-3 * float(calls["dense"]()[0].abs().max())
        torch.testing.assert_close(
            calls[name]()[0], calls["dense"]()[0], rtol=1e-3, atol=near
        )
    return calls


def ratios(rows: list[tuple[str, dict[str, float]]]) -> str:
    """What the others take over ours: geometric means, and the least for the chain."""
    body = []
    for format in (*dict.fromkeys(name for name, _ in rows), "all"):
        own = [ms for name, ms in rows if format in (name, "all")]
        each = [[ms[peer] / ms["tnconv"] for ms in own] for peer in PEERS]
        means = [f"{exp(fmean(map(log, found))):.2f}" for found in each]
        body.append((format, *means, f"{min(each[1]):.2f}"))
    return table(("", *(f"{p} / tnconv" for p in PEERS), "least of chain"), body)
