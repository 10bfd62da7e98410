"""Who does the work: this process, processes of its own, or any executor.

A task that fails is an answer; a worker that dies is not: its task is given out again,
and a task that takes worker after worker down is given up.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from math import inf
from multiprocessing import get_context, parent_process
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tnconv.tuning.tasks import Task

Function = Callable[..., Any]
Arguments = tuple[Any, ...]
#: the place of a task among those given out, and its result or what it raised
Answer = tuple[int, Any]

#: dead workers after which tasks are given out one by one, to find who kills them
TOGETHER = 2


class Crew(Protocol):
    """Workers. ``batch`` is how many networks they are given at once, None for all;
    ``hosts`` how many machines they have."""

    batch: int | None
    hosts: int

    def each(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """The tasks, once for each device class where there are several."""
        ...

    def answers(
        self, function: Function, arguments: Sequence[Arguments], until: float = inf
    ) -> Iterator[Answer]:
        """What a function gives or raises for each of some arguments, in any order;
        what has not begun at ``until`` (of ``time.monotonic``) is left out."""
        ...


class Alone:
    """This process, one task after another."""

    batch: int | None = 1
    hosts = 1

    def each(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """See :class:`Crew`; this process has one class."""
        return tasks

    def answers(
        self, function: Function, arguments: Sequence[Arguments], until: float = inf
    ) -> Iterator[Answer]:
        """See :class:`Crew`."""
        for at, given in enumerate(arguments):
            if monotonic() >= until:
                return
            try:
                answer = function(*given)
            except Exception as error:
                answer = error
            yield at, answer


class Team:
    """The workers of an executor, replaced by ``renewed`` when one of them breaks it.

    Without ``renewed`` the executor is the caller's, and is left as it is.
    """

    batch: int | None = None

    def __init__(
        self,
        executor: Executor,
        renewed: Callable[[], Executor] | None = None,
        hosts: int = 1,
    ) -> None:
        self.executor, self.renewed, self.hosts = executor, renewed, hosts

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *_: object) -> None:
        if self.renewed is not None:
            self.executor.shutdown(wait=True, cancel_futures=True)

    def each(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """See :class:`Crew`; nobody says that these workers differ."""
        return tasks

    def answers(
        self, function: Function, arguments: Sequence[Arguments], until: float = inf
    ) -> Iterator[Answer]:
        """See :class:`Crew`."""
        left, deaths = dict(enumerate(arguments)), 0
        while left and monotonic() < until:
            together = deaths < TOGETHER
            some = left if together else dict([next(iter(left.items()))])
            broken: BrokenExecutor | None = None
            for at, answer in _given_out(self.executor, function, some, until):
                if isinstance(answer, BrokenExecutor) and self.renewed is not None:
                    broken = answer
                    continue
                left.pop(at)
                yield at, answer
            if broken is not None and self.renewed is not None:
                self.executor, deaths = self.renewed(), deaths + 1
                if not together:
                    (at,) = some
                    left.pop(at)
                    yield at, broken


def _given_out(
    executor: Executor, function: Function, tasks: Mapping[int, Arguments], until: float
) -> Iterator[Answer]:
    """All tasks at once, and their answers as they come."""
    futures: dict[Future[Any], int] = {}
    try:
        for at, given in list(tasks.items()):
            futures[executor.submit(function, *given)] = at
    except BrokenExecutor as error:
        yield from ((at, error) for at in list(tasks) if at not in futures.values())
    left = set(futures)
    try:
        while left:
            patience = None if until == inf else max(0.0, until - monotonic())
            done, left = wait(left, patience, FIRST_COMPLETED)
            if not done:  # the time is over: those that have begun may end
                left, until = {future for future in left if not future.cancel()}, inf
            for future in done:
                yield futures[future], _answer(future)
    finally:
        for future in left:
            future.cancel()


def _answer(future: Future[Any]) -> Any:
    error = future.exception()
    return future.result() if error is None else error


def processes(workers: int) -> Team:
    """A team of so many processes on this machine. They are new ones, so that they
    take the number of threads from the environment, as every process does."""

    def renewed() -> Executor:
        context = get_context("spawn")
        return ProcessPoolExecutor(workers, context, initializer=_settle)

    return Team(renewed(), renewed)


def _settle() -> None:
    """A worker leaves Ctrl-C to its parent, and ends when that does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
