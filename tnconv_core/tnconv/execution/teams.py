"""What planning is told of the workers of an executor, and what it makes of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tnconv.execution.backend import Backend, Place
from tnconv.execution.executors import is_dask_client, shares_memory, workers_of
from tnconv.execution.registry import backend as backend_named
from tnconv.options import Options
from tnconv.planning.device import processors
from tnconv.planning.machine import Machine
from tnconv.planning.planned import Planned
from tnconv.planning.spread import Team, spread

#: seconds to send a block and its result, and bytes a second there and back: threads of
#: this process, its child processes, and Dask's workers over TCP. Less than what was
#: measured on one machine (0.04 ms; 0.26 ms, 0.6 GB/s; 12 ms, 1 GB/s): between machines
#: a network may be slower.
THREADS, PROCESSES, DASK = (5e-5, float("inf")), (5e-4, 4e8), (1e-2, 3e8)


def planned_for_workers(
    planned: Planned, itemsize: int, backend: Backend, place: Place, options: Options
) -> Planned | None:
    """The plan as the workers of an executor contract it; None for this thread. What a
    memory limit cut is theirs in any case, whatever it takes."""
    if not getattr(backend, "spreads", False):
        return None
    limit, found = options.memory_limit, None
    team = team_of(options.executor, backend, place)
    if team is not None:
        found = spread(planned, itemsize, team, limit)
    if found is None and limit is not None and planned.plan.blocks is not None:
        return planned
    return found


def team_of(executor: Any, backend: Backend, place: Place) -> Team | None:
    """The workers of an executor; None where they cannot be known, or where the arrays
    are not in main memory.

    Workers on this machine are taken to be like this process: as many of them compute
    at a time as there are processors for its threads. Dask's say what they are; where
    they differ, most of them count.
    """
    here = backend.machine(place)
    if here.device.kind != "cpu":
        return None
    if is_dask_client(executor):
        return _dask_team(executor, backend.name, place.dtype)
    with workers_of(executor) as workers:
        count = workers.count()
    together = min(count, processors() // here.device.threads)
    link = THREADS if shares_memory(executor) else PROCESSES
    return Team(count, together, here, *link)


def _dask_team(client: Any, backend: str, dtype: str) -> Team | None:
    threads = client.nthreads()
    told = client.run(machine_of, backend, dtype, on_error="ignore")
    machines = {worker: one for worker, one in told.items() if worker in threads}
    if not machines:
        return None
    votes: Counter[Any] = Counter()
    for worker, machine in machines.items():
        votes[machine.key] += threads[worker]
    most = max(votes, key=lambda key: (votes[key], str(key)))
    count = sum(threads[worker] for worker in machines)
    machine = next(one for one in machines.values() if one.key == most)
    return Team(count, count, machine, *DASK)


def machine_of(backend: str, dtype: str) -> Machine:
    """The constants of a backend on the processor of this process."""
    return backend_named(backend).machine(Place(backend, None, dtype, None))
