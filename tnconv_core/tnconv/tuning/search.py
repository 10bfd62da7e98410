"""The first stage: plans for a network by predicted cost, the same wherever it runs."""

from __future__ import annotations

from dataclasses import dataclass

from tnconv.planning.candidates import candidates
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
    their predicted time.

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
    found = candidates(form, job.machine, job.itemsize, job.options, limit)
    key = job.key(form)
    lines = [Record.of(key, plan.planned, seed=seed).line() for plan in found]
    return Listing(key.digest, tuple(lines))
