"""Plans for other sizes: one tuned for a batch of 32 is offered for a batch of 48.

The plan is written for the sizes in hand and priced anew. Prices alone would never
prefer it, as the search finds what they prefer; so both it and the plan of the search
are taken to be off by as much as they were where the clock was asked. It is used where
it then promises to win by more than the spread of those measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import log

from tnconv.planning.check import UnfitPlanError, contracted
from tnconv.planning.plan import Plan
from tnconv.planning.planned import Planned
from tnconv.store.key import Key
from tnconv.store.lookup import Job, Place, records_near, written
from tnconv.store.network_json import structure_record
from tnconv.store.records import Record

#: how many times larger or smaller any size may be
FAR = 2.0
#: how many plans are looked at
OFFERS = 4


def nearby(
    key: Key, default: Planned, job: Job, places: Sequence[Place]
) -> Planned | None:
    """The plan for other sizes that promises most, if any beats the default plan."""
    best, found = 1.0, None
    for record in _offers(key, places):
        measured = record.measured
        if measured is None or not record.plan.seconds * measured.default:
            continue
        try:
            offer = written(_moved(record.plan, key), key.network, job)
        except UnfitPlanError:
            continue
        clock = measured.seconds / measured.default
        prices = measured.predicted / record.plan.seconds
        promise = offer.seconds / max(default.seconds, 1e-12) * clock * prices
        if promise < min(best, 1.0 - measured.spread):
            best, found = promise, offer
    return found


def _offers(key: Key, places: Sequence[Place]) -> list[Record]:
    """Measured records of this structure whose sizes are near, the nearest first."""
    ranked = []
    for record in records_near(key, places):
        distance = _distance(record.key, key)
        if distance is not None and record.key != key:
            ranked.append((distance, record.key.digest, record))
    return [record for _, _, record in sorted(ranked, key=lambda r: r[:2])[:OFFERS]]


def _distance(one: Key, other: Key) -> float | None:
    """How far sizes are apart; None where any is too far."""
    mine, theirs = one.network.sizes, other.network.sizes
    if set(mine) != set(theirs) or 0 in (*mine.values(), *theirs.values()):
        return None
    ratios = [abs(log(mine[label] / theirs[label])) for label in mine]
    return sum(ratios) if max(ratios, default=0.0) <= log(FAR) + 1e-9 else None


def _moved(plan: Plan, key: Key) -> Plan:
    """The plan with the sizes of another network."""
    if plan.parts or (plan.blocks and plan.blocks.bodies):
        raise UnfitPlanError("its parts have plans of their own")
    network, _ = contracted(key.network, plan.rewrites)
    if structure_record(network) != structure_record(plan.network):
        raise UnfitPlanError("the rules give another network at these sizes")
    blocks = plan.blocks
    if blocks and blocks.size >= network.sizes[blocks.label]:
        blocks = None
    return replace(plan, network=network, blocks=blocks)
