"""What planning a factorized convolution is worth: ours against the fixed orders.

    python -m benchmarks factorised --every 3 --out factorised.json
    python -m benchmarks factorised --show factorised.json

Layers of ResNet-18, ResNet-50 and VGG-16 with kernels above 1x1, on PyTorch. ``dense``
is a convolution with the finished weight, which no factorized layer has;
``reconstruct`` makes it in every call; ``textbook`` is one layer per factor. Results
are compared before they are timed. Ranks are shares of their caps, of CP a share of the
channels. ``tuned`` is the plan that the clock chose, ``again`` the textbook chain once
more: what two measurements of one thing differ by.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.factorized.page import PAGE, paged, tables
from benchmarks.layers import Layer, select
from benchmarks.measure import alternate

HELP = "planned factorized convolutions against dense, reconstruct and textbook"
NETWORKS = ("resnet18_256", "resnet50_224", "vgg16_224")
FORMATS = ("svd-in", "svd-out", "svd-spatial", "cp", "cp3", "tucker2", "tt")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add = parser.add_argument
    add("--out", type=Path, help="JSON to write; cases that it has are kept")
    add("--show", type=Path, help="print the table of such a file; measure nothing")
    add("--page", action="store_true", help="with --show: into docs/factorised.md too")
    add("--batch", type=int, nargs="*", default=[1, 8, 64])
    add("--formats", nargs="*", choices=FORMATS, default=FORMATS)
    add("--ranks", type=float, nargs="*", default=[0.125, 0.25, 0.5])
    add("--only", default="", help="layers whose name contains this")
    add("--every", type=int, default=1, help="take every n-th case")
    add("--first", type=int, default=0, help="from which one on")
    add("--seconds", type=float, default=0.5, help="timing per case")
    add("--most", type=float, default=2e10, help="leave out more dense products")
    add("--threads", type=int, default=2)
    add("--tuned", type=float, help="time tuned plans too; seconds to tune each")


def main(options: argparse.Namespace) -> int:
    """Measure, write, and print the table."""
    if options.show:
        text = tables(json.loads(options.show.read_text("utf-8"))["cases"])
        print(text)
        if options.page:
            PAGE.write_text(paged(PAGE.read_text("utf-8"), text), "utf-8")
        return 0
    environment.fix_threads(options.threads)
    header = environment.header(threads=options.threads)
    found: dict[str, Any] = {"header": header, "cases": []}
    if options.out and options.out.exists():
        found = json.loads(options.out.read_text("utf-8"))
    for case in list(cases(options))[options.first :: options.every]:
        found["cases"].append(measured(case, options))
        if options.out:
            options.out.write_text(packed(found), "utf-8")
    print(tables(found["cases"]))
    return 0


def cases(
    options: argparse.Namespace,
) -> Iterator[tuple[Layer, int, str, float]]:
    """Layers with their batch, format and share of the rank."""
    for layer in select(options.only):
        if layer.name.split("/")[0] not in NETWORKS or layer.taps == 1:
            continue
        for batch in options.batch:
            if layer.macs * batch <= options.most:
                for format in options.formats:
                    for share in options.ranks:
                        yield layer, batch, format, share


def measured(
    case: tuple[Layer, int, str, float], options: argparse.Namespace
) -> dict[str, Any]:
    """One case: planning time, and the time of every contestant that is right."""
    import time

    import torch

    import tnconv
    from benchmarks.factorized.peers import Layer2d, peers
    from benchmarks.factorized.tuned import tuned

    torch.set_num_threads(options.threads)
    layer, batch, format, share = case
    kernel = kernel_of(layer, format, share)
    x = torch.randn(batch, layer.in_channels, *layer.input_size)
    hyper: dict[str, Any] = {"stride": layer.stride, "padding": layer.low}
    start = time.perf_counter()
    expected = tnconv.conv(x, kernel, **hyper)
    first = time.perf_counter() - start
    calls = peers(format, x, list(kernel.factors), Layer2d(*hyper.values()))
    calls["tnconv"] = lambda: tnconv.conv(x, kernel, **hyper)
    network = tnconv.networks.conv(tuple(x.shape), kernel.network, **hyper)
    if options.tuned:
        calls["tuned"] = tuned(network, options.tuned, calls["tnconv"])
    for name, call in calls.items():
        if not torch.allclose(call(), expected, rtol=1e-3, atol=1e-3):
            raise SystemExit(f"wrong result: {layer.name}, {format}, {name}")
    calls["again"] = calls["textbook"]
    times = alternate(calls, options.seconds, 0)
    plan = tnconv.expression(network, backend="torch")
    return {
        "layer": layer.name,
        "batch": batch,
        "format": format,
        "ranks": list(kernel.ranks),
        "share": share,
        "first_ms": round(first * 1e3, 1),
        "predicted_us": round(plan.planned.seconds * 1e6),
        "us": {name: round(t.seconds * 1e6) for name, t in times.items()},
        "plan": [step.form for step in plan.plan.steps],
    }


def kernel_of(layer: Layer, format: str, share: float) -> Any:
    """A kernel of normal factors, scaled so that results are near 1."""
    import torch

    from tnconv.factor import (
        FactorizedKernel,
        KernelShape,
        format_network,
        rank_caps,
    )

    shape = KernelShape(layer.weight_shape)
    most = max(layer.in_channels, layer.out_channels)
    caps = [min(cap, most) for cap in rank_caps(format, shape).values()]
    ranks = [max(1, round(share * cap)) for cap in caps]
    torch.manual_seed(0)
    network = format_network(format, shape, ranks)
    factors = [torch.randn(size) for size in network.arguments.values()]
    kernel = FactorizedKernel.of(format, shape.shape, factors)
    size = float(kernel.to_dense().square().sum()) / layer.out_channels
    scale = size ** (-0.5 / len(factors))
    return kernel.with_factors([factor * scale for factor in factors])


def packed(found: dict[str, Any]) -> str:
    """The text that is kept: a line for each case."""
    lines = ",\n".join(json.dumps(row) for row in found["cases"])
    return f'{{"header": {json.dumps(found["header"])},\n"cases": [\n{lines}\n]}}\n'
