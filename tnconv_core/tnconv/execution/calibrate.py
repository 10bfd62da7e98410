"""Measuring a backend on this device: the constants of its cost model, in a minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tnconv.errors import ArgumentError
from tnconv.execution.backend import Backend, Measurable, Place
from tnconv.execution.calibration import calibration_file, save
from tnconv.execution.expression import ITEMSIZE
from tnconv.execution.probes import groups
from tnconv.execution.program import Program
from tnconv.execution.registry import backend as backend_named
from tnconv.planning.fit import Sample, fitted, misfit
from tnconv.planning.machine import Machine

#: rounds of one program at least and at most, and seconds that are enough for it
LEAST, MOST, ENOUGH = 3, 200, 0.15

Update = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The constants before and after, and how far predictions were off (0.1: a tenth,
    on average over the probes)."""

    old: Machine
    new: Machine
    before: float
    after: float

    def rows(self) -> list[tuple[str, ...]]:
        """Name, old and new value of every constant that was measured."""
        found = []
        for field in fields(Machine):
            if field.type == "float":
                pair = [getattr(m, field.name) for m in (self.old, self.new)]
                found.append((field.name, *(f"{value:.3g}" for value in pair)))
        for kind, rate in self.new.native.items():
            name = f"{' '.join(kind)}, flop/s"
            found.append(
                (name, f"{self.old.native[kind].rate:.3g}", f"{rate.rate:.3g}")
            )
        return found


def calibrate(
    name: str = "numpy",
    *,
    device: Any = None,
    seconds: float = 60.0,
    update: Update = lambda done, total: None,
) -> Calibration:
    """Measure a backend, in about ``seconds`` at most; nothing is written.

    Args:
        name: the backend.
        device: where, as the library says it; None is its default.
        seconds: what all measurements together may take.
        update: called with (done, total) as they go on.

    Raises:
        ArrayError: there is no backend of that name.
        ArgumentError: it cannot be measured, as it makes no arrays.
    """
    backend = measurable(backend_named(name), "calibrate")
    place = backend.home("float32", device)
    machine = old = backend.machine(place)
    itemsize, work = ITEMSIZE[place.dtype], list(groups(machine))
    total, done = sum(len(group.programs) for group in work), 0
    share = seconds / total
    everything: list[Sample] = []
    for group in work:
        samples = [
            Sample(p, measured(backend, place, p, share)) for p in group.programs
        ]
        machine = fitted(machine, samples, group.names, itemsize)
        everything += samples
        update(done := done + len(samples), total)
    errors = [misfit(everything, m, itemsize) for m in (old, machine)]
    return Calibration(old, machine, *errors)


def measurable(backend: Backend, operation: str) -> Measurable:
    """The backend, if it can make arrays and wait for them; else ArgumentError."""
    if not isinstance(backend, Measurable):
        raise ArgumentError(
            f"{operation}: backend {backend.name!r} makes no arrays to measure with "
            "(it lacks home, sample or wait)"
        )
    return backend


def measured(
    backend: Measurable, place: Place, program: Program, seconds: float
) -> float:
    """The usual time of a program on arrays made for it, after one call unmeasured."""
    arrays = [
        backend.sample(place, shape, number)
        for number, (_, shape) in enumerate(program.inputs)
    ]
    return usual_seconds(backend, backend.compile(program, place), arrays, seconds)


def usual_seconds(
    backend: Measurable,
    run: Callable[[Sequence[Any]], Any],
    arrays: Sequence[Any],
    seconds: float,
) -> float:
    """The lower quartile of a compiled program's times, which other work on the machine
    disturbs least; measured in ``seconds`` or a little more."""
    backend.wait(run(arrays))
    times: list[float] = []
    limit = min(ENOUGH, seconds)
    while len(times) < LEAST or (sum(times) < limit and len(times) < MOST):
        start = time.perf_counter()
        backend.wait(run(arrays))
        times.append(time.perf_counter() - start)
        if sum(times) > seconds:
            break
    return sorted(times)[len(times) // 4]


def save_calibration(found: Calibration, path: Path | None = None) -> Path:
    """Write a calibration to a file, the user's if none is named; returns where."""
    path = calibration_file() if path is None else path
    facts = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": {
            "tnconv": _version("tnconv"),
            found.new.name: _version(found.new.name),
            "python": sys.version.partition(" ")[0],
        },
    }
    save(found.new, path, facts)
    return path


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a bare checkout, or a backend named otherwise
        return "unknown"
