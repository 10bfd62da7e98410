"""The demo: a photograph through three layers that are one tensor network.

A separable Gaussian (its kernel an outer product that is never multiplied out), a bank
of oriented derivatives and a strided layer are joined into one network with one plan,
run, checked against layer-by-layer evaluation and plain loops, timed and drawn.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tnconv
from tnconv import draw
from tnconv.console import Update, stage, table
from tnconv.demo import checks, pictures
from tnconv.demo.arrays import library, to_library, to_numpy
from tnconv.demo.build import photo_network
from tnconv.demo.checks import CheckFailed
from tnconv.demo.filters import Array, Kernels, kernels

__all__ = ["CheckFailed", "run"]

DTYPE = "float32"
#: repeats of each way, fewer once they took this many seconds (but three)
REPEATS, PATIENCE = 9, 5.0


def run(image: Path | None, backend: str, out: Path) -> None:
    """Run the whole demo and write its pictures to ``out``.

    Raises :class:`CheckFailed` where a check does not hold, and errors of
    :mod:`tnconv.errors` where the arguments do not fit.
    """
    xp = library(backend)
    photo, filters = pictures.load(image, DTYPE), kernels(DTYPE)
    out.mkdir(parents=True, exist_ok=True)
    network = photo_network(photo.shape)
    checks.one_network(network)
    with stage("planning"):
        expression = tnconv.expression(network, backend=backend, dtype=DTYPE)
    checks.one_plan(network, expression.plan)
    print(expression, end="\n\n")

    arrays = to_library(xp, {"photo": photo, **filters.arrays()})
    layers = to_library(xp, {**filters.arrays(), "gauss": filters.gauss})

    def whole() -> Any:
        return expression(**arrays)

    def by_layer() -> dict[str, Any]:
        return checks.layer_by_layer(arrays["photo"], layers)

    with stage("running and checking"):
        result = to_numpy(whole())
        steps = {name: to_numpy(array) for name, array in by_layer().items()}
        _report_checks(result, steps, photo, filters)
    with stage("timing") as update:
        times = _race((whole, by_layer), update)
    _report_times(times)
    with stage("drawing"):
        files = _write_pictures(out, photo, steps, result)
        draw.draw(network, files[-1])
    print("\nwrote " + ", ".join(str(file) for file in files))


def _report_checks(
    result: Array, steps: dict[str, Array], photo: Array, filters: Kernels
) -> None:
    expected = steps["opponents"]
    layers = checks.agree("layer by layer", result, expected)
    loops = checks.agree_with_loops(result, photo, filters)
    print("one network, one plan; differences relative to the largest value:")
    print(f"  from layer-by-layer evaluation   {layers:.1e}")
    print(f"  from plain loops on two crops    {loops:.1e}\n")


def _race(ways: tuple[Callable[[], Any], ...], update: Update) -> list[list[float]]:
    """Seconds of every repeat of every way, taken in turns."""
    times: list[list[float]] = [[] for _ in ways]
    for repeat in range(REPEATS):
        if repeat >= 3 and sum(map(sum, times)) > PATIENCE:
            break
        for way, seconds in zip(ways, times, strict=True):
            start = time.perf_counter()
            way()
            seconds.append(time.perf_counter() - start)
        update(repeat + 1, REPEATS)
    return times


def _report_times(times: list[list[float]]) -> None:
    names = ("one network", "layer by layer")
    rows = [
        (name, *(f"{f(seconds) * 1e3:.1f}" for f in (statistics.median, min, max)))
        for name, seconds in zip(names, times, strict=True)
    ]
    print(table((f"ms of {len(times[0])} runs", "median", "best", "worst"), rows))


def _write_pictures(
    out: Path, photo: Array, steps: dict[str, Array], result: Array
) -> tuple[Path, ...]:
    """Write what arrays show; the last path is left for the drawing."""
    names = ("photo", "orientations", "strided", "network")
    files = tuple(out / f"{name}.png" for name in names)
    pictures.save_photo(photo, files[0])
    pictures.save_orientations(steps["orientations"], files[1])
    pictures.save_channels(result, files[2])
    return files
