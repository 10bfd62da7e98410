"""A Dask cluster as a crew: workers on many machines, over TCP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from tnconv.errors import ArgumentError, MissingDependencyError
from tnconv.tuning.crew import Team

#: how often a task is given out again whose worker died
RETRIES = 3
#: seconds to reach a scheduler
PATIENCE = 30


@contextmanager
def cluster(address: str) -> Iterator[Team]:
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


def team(client: Any) -> Team:
    """The workers of a Dask client."""
    workers = client.nthreads()
    if not workers:
        raise ArgumentError(
            "tune: the cluster has no workers; start some with dask worker"
        )
    hosts = {urlsplit(worker).hostname or worker for worker in workers}
    return Team(client.get_executor(pure=False, retries=RETRIES), hosts=len(hosts))


def is_client(executor: Any) -> bool:
    """Whether this is a client of Dask, which is not imported for that.

    >>> is_client(None)
    False
    """
    kind = type(executor)
    return kind.__module__.startswith("distributed.") and kind.__name__ == "Client"
