"""tnconv against PyTorch's own operators, over the convolutions of real networks.

    python -m benchmarks.layers --batch 8 --seconds 0.4

Both sides run in one process, in turn, after a warm-up, with threads fixed; the result
is checked before it is timed; the ratio is PyTorch's median time over ours. PyTorch is
timed against itself as well: that spread is the resolution.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

import tnconv

DATA = Path(__file__).parent.parent / "tests" / "data"
#: seconds after which a slow case gets no third round
SLOW = 2.0
OPERATIONS = ("forward", "input VJP", "weight VJP", "forward+backward")


@dataclass(frozen=True)
class Layer:
    """One convolution of a data file, with its tensors for a batch."""

    record: dict[str, Any]
    batch: int

    @property
    def transposed(self) -> bool:
        return bool(self.record.get("transposed"))

    def hyper(self) -> dict[str, Any]:
        """Hyper-parameters as tnconv takes them."""
        pairs = [tuple(p) for p in self.record["padding_pairs"]]
        even = all(low == high for low, high in pairs)
        padding: Any = tuple(p[0] for p in pairs) if even else tuple(pairs)
        found = {
            "stride": tuple(self.record["stride"]),
            "padding": padding,
            "dilation": tuple(self.record["dilation"]),
            "groups": self.record["groups"],
        }
        if self.transposed:
            found["output_padding"] = tuple(self.record["output_padding"])
        return found

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Input and weight."""
        generator = torch.Generator().manual_seed(0)
        shape = (self.batch, self.record["in_channels"], *self.record["input_size"])
        x = torch.randn(shape, generator=generator)
        w = torch.randn(tuple(self.record["weight_shape"]), generator=generator)
        return x, w


def native(layer: Layer) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """PyTorch's forward, padding explicitly only where it must."""
    dims, hyper = layer.record["N"], layer.hyper()
    if layer.transposed:
        conv = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
        return lambda x, w: conv[dims](x, w, **hyper)
    convs = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
    padding = hyper.pop("padding")
    if all(isinstance(p, int) for p in padding):
        return lambda x, w: convs[dims](x, w, padding=padding, **hyper)
    flat = [n for low, high in reversed(padding) for n in (low, high)]
    return lambda x, w: convs[dims](F.pad(x, flat), w, **hyper)


def contestants(layer: Layer, operation: str) -> tuple[Callable[[], Any], ...]:
    """Ours and PyTorch's, as calls without arguments."""
    x, w = layer.tensors()
    forward, hyper = native(layer), layer.hyper()
    prefix = "conv_transpose" if layer.transposed else "conv"
    ours = getattr(tnconv, prefix)
    if operation == "forward":
        return (lambda: ours(x, w, **hyper)), (lambda: forward(x, w))
    y = forward(x, w)
    v = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    if operation == "forward+backward":
        return _trained(lambda: ours(x, w, **hyper), x, w, v), _trained(
            lambda: forward(x, w), x, w, v
        )
    if operation == "input VJP":
        vjp = getattr(tnconv, f"{prefix}_input_vjp")
        size, wanted = tuple(x.shape[2:]), x
        call = lambda: vjp(w, v, size, **hyper)  # noqa: E731
    else:
        vjp = getattr(tnconv, f"{prefix}_weight_vjp")
        size, wanted = tuple(w.shape[2:]), w
        call = lambda: vjp(x, v, size, **hyper)  # noqa: E731
    return call, _backward(layer, x, w, v, wanted)


def _backward(layer: Layer, x: Any, w: Any, v: Any, wanted: Any) -> Callable[[], Any]:
    """PyTorch's own backward operator, for one of the two gradients."""
    hyper, dims = layer.hyper(), layer.record["N"]
    padding, pads = hyper["padding"], None
    if not all(isinstance(p, int) for p in padding):
        pads = [n for low, high in reversed(padding) for n in (low, high)]
        padding = (0,) * dims
    mask = [wanted is x, wanted is w, False]
    more = list(hyper.get("output_padding", (0,) * dims))

    def run() -> torch.Tensor:
        inside = F.pad(x, pads) if pads else x
        found = torch.ops.aten.convolution_backward(
            v, inside, w, None, list(hyper["stride"]), list(padding),
            list(hyper["dilation"]), layer.transposed, more, hyper["groups"], mask,
        )[0 if wanted is x else 1]  # fmt: skip
        return F.pad(found, [-n for n in pads]) if pads and wanted is x else found

    return run


def _trained(run: Callable[[], Any], x: Any, w: Any, v: Any) -> Callable[[], Any]:
    x.requires_grad_(), w.requires_grad_()

    def step() -> torch.Tensor:
        return torch.cat([g.reshape(-1) for g in torch.autograd.grad(run(), (x, w), v)])

    return step


def measure(calls: tuple[Callable[[], Any], ...], seconds: float) -> list[float]:
    """Median seconds of each call, taken in turn."""
    times: list[list[float]] = [[] for _ in calls]
    start = time.perf_counter()
    while True:
        for call, own in zip(calls, times, strict=True):
            before = time.perf_counter()
            call()
            own.append(time.perf_counter() - before)
        spent, rounds = time.perf_counter() - start, len(times[0])
        if rounds >= 200 or (spent > seconds and (rounds >= 3 or spent > SLOW)):
            return [statistics.median(own) for own in times]


def geomean(values: list[float]) -> float:
    """The geometric mean."""
    return exp(sum(map(log, values)) / len(values))


def check(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Refuse to time a wrong result."""
    scale = theirs.abs().max().item() + 1e-30
    error = (ours - theirs).abs().max().item() / scale
    if ours.shape != theirs.shape or error > 1e-4:
        raise SystemExit(
            f"wrong result: shape {ours.shape}, relative error {error:.1e}"
        )


def saved_bytes(layer: Layer) -> tuple[int, int]:
    """Bytes that a forward keeps for its backward: ours, PyTorch's."""
    x, w = (t.requires_grad_() for t in layer.tensors())
    ours = getattr(tnconv, "conv_transpose" if layer.transposed else "conv")
    found = []
    for run in (lambda: ours(x, w, **layer.hyper()), lambda: native(layer)(x, w)):
        kept: dict[int, int] = {}

        def pack(t: torch.Tensor, kept: dict[int, int] = kept) -> torch.Tensor:
            kept[t.data_ptr()] = t.untyped_storage().nbytes()
            return t

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            run()
        found.append(sum(kept.values()))
    return found[0], found[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=0.4, help="per case")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--operations", nargs="*", default=list(OPERATIONS))
    parser.add_argument("--only", default="", help="layers whose id contains this")
    parser.add_argument("--every", type=int, default=1, help="take every n-th layer")
    parser.add_argument("--out", default="", help="write the measurements as JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    records = [
        record
        for name in ("layers.json", "layers_more.json")
        for record in json.loads((DATA / name).read_text())
        if args.only in record["id"]
    ][:: args.every]
    print(f"{len(records)} layers, batch {args.batch}, {args.threads} threads, float32")
    results = []
    for operation in args.operations:
        results += run(operation, records, args)
        sys.stdout.flush()
    if args.out:
        Path(args.out).write_text(json.dumps(results, indent=1))


def run(
    operation: str, records: list[dict[str, Any]], args: Any
) -> list[dict[str, Any]]:
    """One operation over all layers; prints the summary."""
    rows = []
    for record in records:
        layer = Layer(record, args.batch)
        ours, theirs = contestants(layer, operation)
        check(ours(), theirs())
        own, peer, again = measure((ours, theirs, theirs), args.seconds)
        rows.append((peer / own, peer / again, record["id"], own, peer))
    ratios = [row[0] for row in rows]
    spread = max(abs(log(row[1])) for row in rows)
    print(
        f"\n{operation}: geometric mean {geomean(ratios):.3f}, "
        f"worst {min(ratios):.2f}, best {max(ratios):.2f}; PyTorch against itself "
        f"{geomean([r[1] for r in rows]):.3f}, largest factor {exp(spread):.2f}"
    )
    for ratio, _, name, own, peer in sorted(rows)[:6]:
        print(f"  {ratio:5.2f}  {name}: ours {own * 1e3:.2f} ms, {peer * 1e3:.2f} ms")
    if operation == "forward+backward":
        saved = [saved_bytes(Layer(record, args.batch)) for record in records]
        mine, peers = (sum(each) / 2**20 for each in zip(*saved, strict=True))
        print(f"  saved for backward: ours {mine:.0f} MiB, PyTorch {peers:.0f} MiB")
    return [
        {"operation": operation, "layer": n, "ours": o, "torch": p, "ratio": r}
        for r, _, n, o, p in rows
    ]


if __name__ == "__main__":
    main()
