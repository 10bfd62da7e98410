"""What can contract blocks: executors of ``concurrent.futures``, and Dask's client.

An executor is known by its ``submit``; a client of Dask is sent its data apart from its
tasks, and says in other words that a worker died.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol
from warnings import warn

from tnconv.errors import ArgumentError, WorkerError

if TYPE_CHECKING:  # whoever has an executor has loaded these
    from concurrent.futures import Executor, ProcessPoolExecutor

#: workers that may die one after another while they are sent a block
TRIES = 8
#: seconds until a scheduler has noticed that a worker died, and until there is another
PAUSE, PATIENCE = 0.1, 30
#: seconds for a block to reach a worker
TIMEOUT = 120

Lost = tuple[type[BaseException], ...]


class Workers(Protocol):
    """Those who contract the blocks of one call."""

    #: what the result of a future raises where its worker died
    lost: Lost

    def count(self) -> int:
        """How many blocks they contract at a time."""
        ...

    def submit(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """A future of the call; the last argument is the data it works on."""
        ...

    def has_lost(self, future: Any) -> bool:
        """Whether a future went with a dead worker."""
        ...

    def renew(self, error: BaseException) -> None:
        """See to it that there are workers again."""
        ...


@contextmanager
def workers_of(executor: Any) -> Iterator[Workers]:
    """The workers of an executor, for one call."""
    if is_dask_client(executor):
        yield _DaskWorkers(executor)
        return
    pool = _Pool(executor)
    try:
        yield pool
    finally:
        pool.close()


def shares_memory(executor: Any) -> bool:
    """Whether an executor's workers are threads of this process."""
    from concurrent.futures import ThreadPoolExecutor

    return isinstance(executor, ThreadPoolExecutor)


def is_dask_client(executor: Any) -> bool:
    """Whether this is a client of ``distributed``, which is not imported for that."""
    distributed = sys.modules.get("distributed")
    return distributed is not None and isinstance(executor, distributed.Client)


def check_executor(executor: Any) -> None:
    """Raise ArgumentError for what cannot contract blocks."""
    if is_dask_client(executor) and executor.asynchronous:
        raise ArgumentError(
            "options: executor is an asynchronous Dask client; make one with "
            "Client(..., asynchronous=False)"
        )
    if executor is None or callable(getattr(executor, "submit", None)):
        return
    raise ArgumentError(
        "options: executor is a dask.distributed.Client, or an executor as those of "
        f"concurrent.futures (it has a method submit), got {executor!r:.60}"
    )


class _Pool:
    """An executor of ``concurrent.futures``; a broken pool of processes is replaced by
    one like it until the call is over."""

    def __init__(self, executor: Executor) -> None:
        from concurrent.futures import BrokenExecutor

        self._given = self._executor = executor
        self.lost: Lost = (BrokenExecutor,)

    def count(self) -> int:
        known = getattr(self._given, "_max_workers", None)
        return known if isinstance(known, int) else os.cpu_count() or 1

    def submit(self, call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return self._executor.submit(call, *arguments)
        except self.lost as error:  # it broke between two blocks, or before
            self.renew(error)
            return self._executor.submit(call, *arguments)

    def has_lost(self, future: Any) -> bool:
        if not future.done() or future.cancelled():
            return False
        return isinstance(future.exception(), self.lost)

    def renew(self, error: BaseException) -> None:
        from concurrent.futures import ProcessPoolExecutor

        if not isinstance(self._given, ProcessPoolExecutor):
            raise WorkerError(
                f"options(executor=...): {type(self._given).__name__} is broken; make "
                "another"
            ) from error
        warn(
            "tnconv: a worker of the ProcessPoolExecutor died and the pool with it; "
            "its blocks are contracted by another pool like it",
            RuntimeWarning,
            stacklevel=2,
        )
        self.close()
        self._executor = _like(self._given)

    def close(self) -> None:
        """Stop the pool that took the place of a broken one."""
        if self._executor is not self._given:
            self._executor.shutdown(wait=False, cancel_futures=True)


def _like(pool: ProcessPoolExecutor) -> ProcessPoolExecutor:
    """A pool with the same number of workers, that begin in the same way; the standard
    library keeps these under private names."""
    from concurrent.futures import ProcessPoolExecutor

    kept: dict[str, Any] = vars(pool)
    return ProcessPoolExecutor(
        kept.get("_max_workers"),
        kept.get("_mp_context"),
        kept.get("_initializer"),
        kept.get("_initargs", ()),
    )


class _DaskWorkers:
    """The workers of a cluster. What a block reads is scattered: it travels apart from
    the task, to one worker, and does not stay with the scheduler."""

    def __init__(self, client: Any) -> None:
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        self._client = client
        self.lost: Lost = (CancelledError, KilledWorker, OSError)

    def count(self) -> int:
        return sum(self._client.nthreads().values()) or 1

    def submit(self, call: Callable[..., Any], *arguments: Any) -> Any:
        *others, data = arguments
        for _ in range(TRIES):
            try:
                (held,) = self._client.scatter(
                    [list(data)], hash=False, timeout=TIMEOUT
                )
                return self._client.submit(call, *others, held, pure=False)
            except (OSError, TimeoutError) as error:  # to a worker that just died
                self.renew(error)
        raise WorkerError(
            f"options(executor=...): {TRIES} workers in turn died while they were sent "
            "a block; see the logs of the cluster"
        )

    def has_lost(self, future: Any) -> bool:
        if future.status in ("cancelled", "lost"):
            return True
        return future.status == "error" and isinstance(future.exception(), self.lost)

    def renew(self, error: BaseException) -> None:
        with suppress(TimeoutError):
            time.sleep(PAUSE)
            self._client.wait_for_workers(1, timeout=PATIENCE)
            return
        raise WorkerError(
            "options(executor=...): the cluster has no workers left; start some and "
            "call again"
        ) from error
