"""The first stage: plans for a network by predicted cost, the same wherever it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tnconv.network import Network
from tnconv.options import PLANNERS, Options, changed
from tnconv.planning.candidates import candidates
from tnconv.planning.charge import Charge
from tnconv.planning.planned import Planned
from tnconv.store.lookup import Job
from tnconv.store.records import Record
from tnconv.tuning.tasks import Task


@dataclass(frozen=True, slots=True)
class Listing:
    """Plans for a network as lines of a store, the default plan first.

    ``key`` is what they are kept under where they were found.
    """

    key: str
    lines: tuple[str, ...]


def keyed(task: Task) -> str:
    """What the plan of a task is kept under, on the device of this process."""
    return task.job().key(task.form).digest


def listed(task: Task, limit: int, seed: int) -> Listing:
    """At most ``limit`` plans for a task: the one the search finds, then others by
    their predicted time. None of them holds more memory than that one does, or than
    ``memory_share`` lets be held at no charge.

    The same for the same task, limit, seed and device class, in whatever process.
    Raises what :func:`tnconv.planning.planner.plan_network` raises.

    >>> from tnconv import networks
    >>> from tnconv.store.key import constraints_of
    >>> from tnconv.options import current
    >>> network = networks.conv((2, 3, 9), (4, 3, 3))
    >>> task = Task("small", "", network, constraints=constraints_of(current()))
    >>> len(listed(task, limit=3, seed=0).lines)
    3
    """
    job, form = task.job(), task.form
    deep = _deeper(job.options, seed)
    given = (form, job.machine, job.itemsize, deep, limit)
    found = candidates(*given, chosen=job.searched(form))
    plans = _modest(form, job, [candidate.planned for candidate in found])
    key = job.key(form)
    lines = [Record.of(key, planned, seed=seed).line() for planned in plans]
    return Listing(key.digest, tuple(lines))


def _deeper(options: Options, seed: int) -> Options:
    """Options under which large networks are searched for longer, where the planner
    can do that; small ones are searched exactly as they are."""
    if options.planner != "auto" or "hyper" not in PLANNERS:
        return options
    return changed(options, {"planner": "hyper", "seed": seed})


def _modest(form: Network, job: Job, plans: Sequence[Planned]) -> list[Planned]:
    """The plans whose memory the clock need not be told of."""
    share = job.options.memory_share
    charge = Charge.of(form, job.machine, job.itemsize, share)
    held = [charge.held(planned.program).arrays for planned in plans]
    limit = max(charge.free, held[0])
    return [p for p, size in zip(plans, held, strict=True) if size <= limit]
