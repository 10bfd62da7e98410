"""A Dask cluster as a crew: workers on many machines, over TCP.

Where workers are of several device classes, every network is a task for each class,
which only workers of that class are given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from tnconv.errors import ArgumentError, MissingDependencyError
from tnconv.execution.calibrate import measurable
from tnconv.execution.registry import backend as backend_named
from tnconv.tuning.crew import Function, Team
from tnconv.tuning.tasks import Task

#: how often a task is given out again whose worker died
RETRIES = 3
#: seconds to reach a scheduler
PATIENCE = 30


class Nodes(Team):
    """The workers of a Dask client."""

    def __init__(self, client: Any, hosts: int) -> None:
        self._client = client
        self._hands = {"": self._restricted(None)}
        super().__init__(self, hosts=hosts)  # type: ignore[arg-type]

    def submit(self, function: Function, *given: Any) -> Future[Any]:
        """A task to whoever may do it: a worker of its class."""
        where = given[0].where if given and isinstance(given[0], Task) else ""
        found: Future[Any] = self._hands[where].submit(function, *given)
        return found

    def each(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """The tasks for every class of workers that there is for their backend."""
        found: list[Task] = []
        kinds = dict.fromkeys((t.backend, t.dtype, t.device) for t in tasks)
        for kind in kinds:
            mine = [t for t in tasks if (t.backend, t.dtype, t.device) == kind]
            told = self._client.run(class_of, *kind, on_error="ignore")
            names = sorted(set(told.values()))
            for name in names if len(names) > 1 else [""]:
                if name:
                    self._hands[name] = self._restricted(where_of(told, name))
                found += [replace(task, where=name) for task in mine]
        return found

    def _restricted(self, workers: list[str] | None) -> Any:
        return self._client.get_executor(pure=False, retries=RETRIES, workers=workers)


def class_of(backend: str, dtype: str, device: str | None) -> str:
    """The device class of this process for a backend."""
    own = measurable(backend_named(backend), "tune")
    return str(own.machine(own.home(dtype, device)).device)


def where_of(told: Mapping[str, str], name: str) -> list[str]:
    """Where workers of a class are: their hosts, where a worker that is started again
    belongs too; or their addresses, where others share a host with them.

    >>> told = {"tcp://a:1": "old", "tcp://a:2": "old", "tcp://b:1": "new"}
    >>> where_of(told, "old"), where_of({**told, "tcp://a:3": "new"}, "old")
    (['a'], ['tcp://a:1', 'tcp://a:2'])
    """
    mine = sorted(worker for worker, own in told.items() if own == name)
    hosts = {host_of(worker) for worker in mine}
    shared = hosts & {host_of(worker) for worker, own in told.items() if own != name}
    return mine if shared else sorted(hosts)


def host_of(worker: str) -> str:
    """The host in the address of a worker."""
    return urlsplit(worker).hostname or worker


@contextmanager
def cluster(address: str) -> Iterator[Nodes]:
    """The workers of a scheduler, as ``tcp://host:8786``, or a file it wrote.

    Raises MissingDependencyError without distributed, and ArgumentError where there is
    no scheduler, or no worker.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingDependencyError(
            f'tune: --scheduler needs Dask ({error}); pip install "tnconv[dask]"'
        ) from error
    connect: Any = Client  # it has no types
    is_file = address.endswith(".json")
    where = {"scheduler_file": address} if is_file else {"address": address}
    try:
        client = connect(**where, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ArgumentError(
            f"tune: no scheduler answers at {address} ({error}); start one with "
            "dask scheduler"
        ) from error
    with client:
        yield team(client)


def team(client: Any) -> Nodes:
    """The workers of a Dask client."""
    workers = client.nthreads()
    if not workers:
        raise ArgumentError(
            "tune: the cluster has no workers; start some with dask worker"
        )
    return Nodes(client, len(set(map(host_of, workers))))


def is_client(executor: Any) -> bool:
    """Whether this is a client of Dask, which is not imported for that.

    >>> is_client(None)
    False
    """
    kind = type(executor)
    return kind.__module__.startswith("distributed.") and kind.__name__ == "Client"
