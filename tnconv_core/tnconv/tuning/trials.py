"""The second stage: the clock decides between the plans that the first one listed.

Every plan is run once, and only those count whose result is the default plan's. The
others take turns in rounds; each round sends the slower half home (successive halving).
Source: Karnin, Koren and Somekh, *Almost optimal exploration in multi-armed bandits*,
ICML 2013. What is left races the default plan, on times of its own: those that chose it
would flatter it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2

from tnconv.execution.alike import alike
from tnconv.network import Network
from tnconv.planning.check import UnfitPlanError
from tnconv.planning.planned import Planned
from tnconv.store.lookup import Job, written
from tnconv.store.reading import BadRecordError
from tnconv.store.records import Measured, Record, read_record
from tnconv.tuning.clock import Timed, in_turn, no_collection, usual
from tnconv.tuning.heats import OVERTIME, raced
from tnconv.tuning.outcome import Outcome
from tnconv.tuning.tasks import Task
from tnconv.tuning.turns import alone

#: how much slower than the default plan a plan may be: at its first call, in a round
HOPELESS, BEHIND = 3.0, 1.25
#: share of the time that the last race takes, and a default plan without a rival
RACE, WALKOVER = 0.5, 0.1


@dataclass(frozen=True, slots=True)
class Runner:
    """A plan that takes part, and its call."""

    planned: Planned
    call: Timed


def timed(task: Task, lines: Sequence[str], seconds: float, seed: int) -> Outcome:
    """Time the plans of a listing in about so many seconds, alone on this machine.

    The outcome is of the device class of this process. Where that is not the one the
    plans were listed for, its own default plan is found first.
    """
    job, form = task.job(), task.form
    key, faults = job.key(form), list[str]()
    records = _read(lines, faults)
    plans = [_written(record, form, job, faults) for record in records]
    if not plans or plans[0] is None or records[0].key.digest != key.digest:
        plans.insert(0, job.searched(form))
    distinct = {p.program: p for p in reversed(plans) if p is not None}
    contenders = list(reversed(distinct.values()))
    draw = random.Random(seed)
    with alone(), no_collection():
        runners = _admitted(task, form, contenders, faults, seconds)
        best, measured = _decided(runners, seconds, draw)
    record = Record.of(key, best, measured, records[0].seed if records else None)
    return Outcome(
        *(task.name, task.operation, task.backend, task.dtype, str(key.device)),
        *(key.digest, record.line()),
        *(measured.default, measured.seconds, measured.spread),
        contenders[0].plan.forms,
        best.plan.forms,
        len(runners),
        tuple(faults),
    )


def _read(lines: Sequence[str], faults: list[str]) -> list[Record]:
    found = []
    for line in lines:
        try:
            found.append(read_record(line, "tuning"))
        except BadRecordError as error:
            faults.append(str(error))
    return found


def _written(
    record: Record, form: Network, job: Job, faults: list[str]
) -> Planned | None:
    try:
        return written(record.plan, form, job)
    except UnfitPlanError as error:
        faults.append(f"{_named(record.plan.forms)}: {error}")
        return None


def _named(forms: Sequence[str]) -> str:
    return " ".join(forms) or "a view"


def _admitted(
    task: Task,
    form: Network,
    plans: Sequence[Planned],
    faults: list[str],
    seconds: float,
) -> list[Runner]:
    """The plans that run, with the default plan's result and not hopelessly slower;
    the later ones only if there is time."""
    backend, place = task.home()
    shapes = form.arguments.values()
    arrays = [backend.sample(place, shape, n) for n, shape in enumerate(shapes)]
    runners: list[Runner] = []
    wanted, limit, end = None, 0.0, time.perf_counter() + OVERTIME * seconds
    for planned in plans:
        if runners and time.perf_counter() > end:
            break
        name = _named(planned.plan.forms)
        try:
            call = Timed(backend, backend.compile(planned.program, place), arrays)
            found = call.result()
            once = call.clocked()
        except Exception as error:
            if not runners:
                raise
            faults.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
            continue
        if not runners:
            wanted, limit = found, HOPELESS * once
        elif not alike(wanted, found, task.dtype):
            faults.append(f"{name}: gives another result than the default plan")
            continue
        elif once > limit and call.clocked() > limit:
            continue
        runners.append(Runner(planned, call.repeated()))
    return runners


def _decided(
    runners: Sequence[Runner], seconds: float, draw: random.Random
) -> tuple[Planned, Measured]:
    """The plan to keep and its times: the default plan's, unless another wins."""
    default, *others = runners
    other = _survivor(default, others, (1.0 - RACE) * seconds, draw)
    rival, share = (default, WALKOVER) if other is None else (other, RACE)
    race = raced(default.call, rival.call, share * seconds, draw)
    predicted, spread = default.planned.seconds, race.spread
    if other is not None and race.won:
        measured = Measured(race.other, race.default, predicted, spread)
        return other.planned, measured
    return default.planned, Measured(race.default, race.default, predicted, spread)


def _survivor(
    default: Runner, others: Sequence[Runner], seconds: float, draw: random.Random
) -> Runner | None:
    """Who is left after rounds of halving, if anybody is near the default plan."""
    alive = list(others)
    rounds = max(1, ceil(log2(len(alive) + 1)))
    for _ in range(rounds):
        if not alive:
            break
        playing = [default, *alive]
        calls = [runner.call for runner in playing]
        times = list(map(usual, in_turn(calls, seconds / rounds, 1, draw)))
        ranked = sorted(zip(times[1:], range(len(alive)), alive, strict=True))
        keep = max(1, len(alive) // 2)
        alive = [r for time, _, r in ranked[:keep] if time < BEHIND * times[0]]
    return alive[0] if alive else None
