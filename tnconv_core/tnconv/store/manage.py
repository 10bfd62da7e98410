"""What is done with whole stores: opened by name, looked through, merged, verified."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tnconv.errors import ArgumentError, StoreError
from tnconv.execution.calibration import machine_for
from tnconv.execution.expression import ITEMSIZE
from tnconv.planning.check import UnfitPlanError
from tnconv.planning.planned import Planned
from tnconv.store.canonical import TooSymmetricError, canonical
from tnconv.store.database import Database
from tnconv.store.key import options_of
from tnconv.store.lines import LineFile, write_lines
from tnconv.store.lookup import Job, Place, written
from tnconv.store.places import VARIABLE, user_path
from tnconv.store.reading import BadRecordError
from tnconv.store.records import Record, is_better, read_record

#: how a SQLite file begins
MAGIC = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a record (by its key, or where it stands) or a whole file."""

    where: str
    why: str


def opened(path: Path | None = None) -> Place:
    """The store of a path: a database or a file of JSON lines, by what it holds; the
    user's store for None. StoreError where there is none."""
    named = user_path() if path is None else path
    if named is None:
        raise StoreError(f"there is no user's store: {VARIABLE} is off")
    try:
        with named.open("rb") as file:
            start = file.read(len(MAGIC))
    except FileNotFoundError as error:
        if path is None:
            return Database(named)
        raise StoreError(f"{path}: there is no such file") from error
    except OSError as error:
        raise StoreError(f"{named}: {error.strerror}") from error
    is_database = start == MAGIC or (path is None and not start)
    return Database(named) if is_database else LineFile(named)


def own_database() -> Database:
    """The user's store, to be written; StoreError where there is none."""
    place = opened()
    if not isinstance(place, Database):
        raise StoreError(f"{place}: it is not a database, and stays as it is")
    return place


def good_records(place: Place, faults: list[Fault]) -> Iterator[Record]:
    """The records of a store that can be read; of the others, why not."""
    for where, line in _lines(place):
        try:
            yield read_record(line, f"the store {place}")
        except BadRecordError as error:
            faults.append(Fault(where, str(error)))


def _lines(place: Place) -> list[tuple[str, str]]:
    try:
        return place.lines()
    except StoreError as error:
        raise StoreError(f"{place}: {error}") from error


def realize(record: Record) -> Planned:
    """A record's plan as a program, at the prices of its device class.

    Raises UnfitPlanError where the plan does not fit the network.
    """
    key = record.key
    machine = machine_for(key.backend, key.device).with_dtype(key.dtype)
    try:
        options = options_of(key.constraints)
    except ArgumentError as error:
        raise UnfitPlanError(str(error)) from error
    itemsize = ITEMSIZE.get(key.dtype, 8)
    return written(record.plan, key.network, Job(machine, key.dtype, itemsize, options))


def verified(place: Place) -> Iterator[Fault | Record]:
    """Every record that is good, and what is wrong with the others and the file."""
    try:
        for said in place.check():
            yield Fault(str(place), said)
        lines = place.lines()
    except StoreError as error:
        yield Fault(str(place), str(error))
        return
    for where, line in lines:
        try:
            record = read_record(line, f"the store {place}")
            if where != record.key.digest:
                raise BadRecordError(f"it is the plan of {record.key.digest}")
            if canonical(record.key.network).network != record.key.network:
                raise BadRecordError("its network is not in canonical form")
            realize(record)
        except TooSymmetricError:
            yield Fault(where, "its network has no canonical form")
        except (BadRecordError, UnfitPlanError) as error:
            yield Fault(where, str(error))
        else:
            yield record


def merged(records: Iterable[Record]) -> list[Record]:
    """The best record of each key."""
    best: dict[str, Record] = {}
    for record in records:
        known = best.get(record.key.digest)
        if known is None or is_better(record, known):
            best[record.key.digest] = record
    return list(best.values())


def export(path: Path, records: Iterable[Record]) -> int:
    """Write records to a file of JSON lines, with the better of those that it holds
    already; how many it holds then. A file of anything else stays as it is."""
    kept: list[Record] = []
    if path.exists():
        place, faults = opened(path), list[Fault]()
        if isinstance(place, LineFile):
            kept = list(good_records(place, faults))
        if faults or not isinstance(place, LineFile):
            raise StoreError(
                f"{path}: it is there, and holds more than good plans; name another "
                "file, or move it away"
            )
    return write_lines(path, merged([*kept, *records]))
