"""Looking up what is stored: files that were named, then the user's store.

What is found is checked against the network in hand before it is used; what cannot be
used is reported by a warning, once, and the network is planned as if it were not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from tnconv.errors import NetworkError, StoreError
from tnconv.network import Network
from tnconv.options import Options
from tnconv.planning.check import UnfitPlanError, check_plan, guarded
from tnconv.planning.machine import Machine
from tnconv.planning.plan import Plan
from tnconv.planning.planned import Planned
from tnconv.planning.realize import realized
from tnconv.planning.rivals import form_table
from tnconv.planning.site import NotHereError
from tnconv.store.adapt import adapted
from tnconv.store.canonical import TooSymmetricError, canonical
from tnconv.store.database import Database
from tnconv.store.key import Key, constraints_of
from tnconv.store.lines import LineFile
from tnconv.store.places import warn
from tnconv.store.reading import BadRecordError
from tnconv.store.records import Record, read_record

Place = LineFile | Database


@dataclass(frozen=True, slots=True)
class Job:
    """What networks are planned for."""

    machine: Machine
    dtype: str
    itemsize: int
    options: Options

    def key(self, network: Network) -> Key:
        """The key of a canonical network."""
        machine, constraints = self.machine, constraints_of(self.options)
        return Key(network, machine.name, machine.device, self.dtype, constraints)

    def searched(self, network: Network) -> Planned:
        """The plan that a search finds."""
        from tnconv.planning.planner import plan_network

        return plan_network(network, self.machine, self.itemsize, self.options)


def planned(network: Network, job: Job, places: Sequence[Place]) -> Planned:
    """The stored plan of a network; else the one a search finds, unless one that is
    stored for other sizes promises to be faster."""
    try:
        form = canonical(network)
    except TooSymmetricError:
        return job.searched(network)
    key = job.key(form.network)
    found = _stored(key, job, places)
    if found is None:
        from tnconv.store.near import nearby

        default = job.searched(network)
        found = nearby(key, default, job, places)
        if found is None:
            return default
    return adapted(found, network, form.names)


def _stored(key: Key, job: Job, places: Sequence[Place]) -> Planned | None:
    """The plan of a key in the first store that has a good one."""
    for place in places:
        try:
            line = place.find(key.digest)
        except StoreError as error:
            warn(place, f"is not used: {error}")
            continue
        if line is None:
            continue
        try:
            record = read_record(line, f"the store {place}")
            if record.key != key:
                raise BadRecordError("it is that of another network")
            return written(record.plan, key.network, job)
        except (BadRecordError, UnfitPlanError) as error:
            warn(place, f"has a plan that is not used ({key.digest}): {error}")
    return None


def written(plan: Plan, network: Network, job: Job) -> Planned:
    """A plan as a program for a network, without a search.

    Raises UnfitPlanError where it does not fit network, forms or memory limit.
    """
    forms, options = form_table(), job.options
    known = set(forms)
    if options.forms is not None:
        known &= {*options.forms, "constant", "multiply"}
    if not known.issuperset(plan.forms):
        unknown = ", ".join(sorted(set(plan.forms) - known))
        raise UnfitPlanError(f"it uses forms that are not there: {unknown}")
    trace = check_plan(plan, network, forms)
    try:
        found = realized(plan, job.machine, job.itemsize, guarded(forms))
    except (NotHereError, NetworkError) as error:
        raise UnfitPlanError(f"it cannot be written: {error}") from error
    if options.memory_limit is not None and found.peak > options.memory_limit:
        raise UnfitPlanError(f"it needs {found.peak} bytes, more than memory_limit")
    return replace(found, network=network, trace=trace)


def records_near(key: Key, places: Sequence[Place]) -> list[Record]:
    """Good records of networks that differ from a key's in sizes only; what is wrong
    with others is said when they are looked for."""
    found = []
    for place in places:
        with suppress(StoreError):
            for line in place.near(key.structure):
                with suppress(BadRecordError):
                    found.append(read_record(line, f"the store {place}, another size"))
    return found
