"""What a calibration means for a store: how far off it is, and what to plan anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tnconv.errors import ArgumentError, MemoryLimitError
from tnconv.execution.expression import ITEMSIZE
from tnconv.planning.check import UnfitPlanError
from tnconv.planning.fit import Sample, misfit
from tnconv.planning.machine import Machine
from tnconv.store.database import Database
from tnconv.store.key import options_of
from tnconv.store.lookup import Job, written
from tnconv.store.manage import good_records
from tnconv.store.records import Record


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """``measured`` plans of the store are predicted with these mean errors by the old
    and the new constants; ``renewed`` plans, never measured, were planned anew."""

    measured: int
    before: float
    after: float
    renewed: int


def recalibrated(place: Database, old: Machine, new: Machine) -> Recalibrated:
    """Compare constants with what the store has measured, which they were not fitted
    to, and plan anew what it holds without a measurement: that went by the old ones.
    """
    measured: list[tuple[Record, Job]] = []
    changed: list[Record] = []
    for record, job in _records(place, new):
        if record.measured is not None:
            measured.append((record, job))
            continue
        try:
            found = job.searched(record.key.network)
        except (ArgumentError, MemoryLimitError):
            continue
        changed.append(Record.of(record.key, found, seed=record.seed))
    before, after = (_error(measured, machine) for machine in (old, new))
    renewed = place.put(changed, instead=True) if changed else 0
    return Recalibrated(len(measured), before, after, renewed)


def _records(place: Database, machine: Machine) -> Iterator[tuple[Record, Job]]:
    """The good records of a machine's backend and device, and what they are for."""
    for record in good_records(place, []):
        key = record.key
        if (key.backend, key.device) != (machine.name, machine.device):
            continue
        try:
            options = options_of(key.constraints)
        except ArgumentError:
            continue
        own = machine.with_dtype(key.dtype)
        yield record, Job(own, key.dtype, ITEMSIZE.get(key.dtype, 8), options)


def _error(measured: list[tuple[Record, Job]], machine: Machine) -> float:
    """The mean error of predictions, 0.1 for a tenth; 0 of no plans."""
    errors = []
    for record, job in measured:
        own = machine.with_dtype(record.key.dtype)
        try:
            program = written(record.plan, record.key.network, job).program
        except UnfitPlanError:
            continue
        assert record.measured is not None
        sample = Sample(program, record.measured.seconds)
        errors.append(misfit([sample], own, job.itemsize))
    return sum(errors) / len(errors) if errors else 0.0
