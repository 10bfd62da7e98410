"""The blocks of a loop, contracted by the workers of an executor.

A block is a program and parts of arrays, so it can be contracted anywhere. Results come
back in the order of the blocks whatever happens on the way, so that their sum has the
same bits with one worker, with many, and with one that died. No more than a few blocks
for each worker are on their way at a time: neither side holds all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tnconv.errors import WorkerError
from tnconv.execution.cache import BoundedCache
from tnconv.execution.executors import Workers, shares_memory, workers_of
from tnconv.execution.registry import backend as backend_named

if TYPE_CHECKING:
    from tnconv.execution.program import Program

Array = Any

#: blocks on their way for each worker: one that it contracts, one that waits
AHEAD = 2
#: how often a block is sent again because a worker that had it died
RETRIES = 4

_RUNS: BoundedCache[Callable[[Sequence[Array]], Array]] = BoundedCache(256)


def contract_block(backend: str, program: Program, parts: Sequence[Array]) -> Array:
    """What a worker does: contract a block by its program, compiled once a process."""
    found = backend_named(backend)
    place = found.place(parts[0])
    key = (backend, program, place)
    return _RUNS.get_or_make(key, lambda: found.compile(program, place))(parts)


@dataclass(frozen=True, slots=True)
class Crew:
    """Whoever contracts the blocks of a program, for arrays of a backend."""

    backend: str
    executor: Any

    @property
    def shares_memory(self) -> bool:
        """Whether workers read the caller's arrays where they are."""
        return shares_memory(self.executor)

    def results(
        self, blocks: Iterable[tuple[Program, Sequence[Array]]]
    ) -> Iterator[Array]:
        """The results of blocks, in their order.

        Raises WorkerError where workers die of a block again and again, and what a
        block itself raises.
        """
        with workers_of(self.executor) as workers:
            yield from _Convoy(self.backend, workers).results(blocks)


@dataclass(slots=True)
class _Sent:
    """A block on its way."""

    program: Program
    parts: Sequence[Array]
    future: Any
    lost: int = 0


@dataclass(slots=True)
class _Convoy:
    """The blocks of one call that are on their way, first sent first."""

    backend: str
    workers: Workers
    sent: deque[_Sent] = field(default_factory=deque)

    def results(
        self, blocks: Iterable[tuple[Program, Sequence[Array]]]
    ) -> Iterator[Array]:
        """Send blocks as far ahead as workers can use them; the results in order."""
        ahead = AHEAD * self.workers.count()
        try:
            for program, parts in blocks:
                if len(self.sent) >= ahead:
                    yield self._next()
                self.sent.append(_Sent(program, parts, self._send(program, parts)))
            while self.sent:
                yield self._next()
        finally:
            for one in self.sent:
                one.future.cancel()

    def _next(self) -> Array:
        """The result of the block that was sent first, however often it takes."""
        while True:
            try:
                found = self.sent[0].future.result()
            except self.workers.lost as error:
                self._send_again(error)
            else:
                self.sent.popleft()
                return found

    def _send_again(self, error: BaseException) -> None:
        """Everything that was lost with a worker, once more."""
        first = self.sent[0]
        if first.lost >= RETRIES:
            raise WorkerError(
                f"options(executor=...): a block was lost with its worker "
                f"{RETRIES + 1} times. A worker that runs out of memory is killed like "
                "this: set memory_limit lower, or give the workers more memory"
            ) from error
        self.workers.renew(error)
        for one in self.sent:
            if one is first or self.workers.has_lost(one.future):
                one.future = self._send(one.program, one.parts)
                one.lost += 1

    def _send(self, program: Program, parts: Sequence[Array]) -> Any:
        return self.workers.submit(contract_block, self.backend, program, parts)
