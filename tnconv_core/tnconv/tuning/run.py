"""A tuning from beginning to end: keys, listings, times, and what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf
from time import monotonic
from typing import Any

from tnconv.errors import ArgumentError
from tnconv.store.canonical import TooSymmetricError
from tnconv.store.records import read_record
from tnconv.tuning.crew import Crew
from tnconv.tuning.outcome import Failure, Outcome
from tnconv.tuning.report import Report
from tnconv.tuning.search import Listing, keyed, listed
from tnconv.tuning.shelf import Shelf
from tnconv.tuning.tasks import Task
from tnconv.tuning.trials import timed

#: seconds of timing for a network: where no limit is given, at least, and at most
USUAL, LEAST, MOST = 2.0, 0.1, 30.0


@dataclass(frozen=True, slots=True)
class Step:
    """How far a tuning is: steps done of how many, and what came of the last one."""

    done: int
    total: int
    latest: Outcome | Failure | None = None


Watch = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried: seconds in all (None: as many as it takes), plans timed for
    each network, the seed, and whether measured plans are measured ``again``."""

    seconds: float | None = None
    trials: int = 8
    seed: int = 0
    again: bool = False

    def __post_init__(self) -> None:
        if self.seconds is not None and not 0 < self.seconds < inf:
            raise ArgumentError(f"tune: seconds are above 0, got {self.seconds}")
        if self.trials < 1:
            raise ArgumentError(f"tune: trials are 1 or more, got {self.trials}")
        if self.seed < 0:
            raise ArgumentError(f"tune: the seed is 0 or more, got {self.seed}")


class Tuning:
    """One run: what it works with, and what has come of it so far."""

    def __init__(self, crew: Crew, shelf: Shelf, effort: Effort, watch: Watch) -> None:
        self.crew, self.shelf, self.effort, self.watch = crew, shelf, effort, watch
        seconds = inf if effort.seconds is None else effort.seconds
        self.until = monotonic() + seconds
        self.done = self.total = self.known = self.ended = 0
        self.outcomes: list[Outcome] = []
        self.failures: list[Failure] = []

    def run(self, tasks: Sequence[Task]) -> Report:
        """Tune everything that the time is enough for."""
        todo = self._todo(self.crew.each(tasks))
        self.total = 2 * len(todo)
        for batch in _batches(todo, self.crew.batch):
            listings = dict(self._listings(batch))
            self._time(batch, listings)
        return self.report()

    def report(self) -> Report:
        """What has come of it so far."""
        outcomes, failures = tuple(self.outcomes), tuple(self.failures)
        return Report(outcomes, failures, self.known, self.total // 2 - self.ended)

    def _todo(self, tasks: Sequence[Task]) -> dict[str, Task]:
        """The tasks by key, each network once, less those that are done."""
        keys: dict[int, str] = {}
        for at, answer in self.crew.answers(keyed, [(task,) for task in tasks]):
            if isinstance(answer, Exception):
                self._failed(tasks[at], answer, 0)
            else:
                keys[at] = answer
        found: dict[str, Task] = {}
        for at in sorted(keys):
            found.setdefault(keys[at], tasks[at])
        if not self.effort.again:
            done = {key for key in found if self.shelf.is_done(key)}
            self.known = len(done)
            return {key: task for key, task in found.items() if key not in done}
        return found

    def _listings(self, batch: Mapping[str, Task]) -> Iterator[tuple[str, Listing]]:
        """The plans of every task, from an earlier run or a search."""
        limit, seed = self.effort.trials, self.effort.seed
        search = []
        for key in batch:
            waiting = self.shelf.waiting(key, limit, seed)
            if waiting is None:
                search.append(key)
                continue
            self._step()
            yield key, waiting
        given = [(batch[key], limit, seed) for key in search]
        for at, answer in self.crew.answers(listed, given, self.until):
            key = search[at]
            if isinstance(answer, Exception):
                self._failed(batch[key], answer, 2)
                continue
            if answer.key == key:
                self.shelf.wait(answer, limit, seed)
            self._step()
            yield key, answer

    def _time(self, batch: Mapping[str, Task], found: Mapping[str, Listing]) -> None:
        """The clock's word on every listing, kept as it comes."""
        keys = [key for key in batch if key in found]  # in the order of the file
        seconds = self._share(self.total // 2 - self.ended)
        given = [
            (batch[key], self._lines(key, found[key]), seconds, self.effort.seed)
            for key in keys
        ]
        for at, answer in self.crew.answers(timed, given, self.until):
            if isinstance(answer, Exception):
                self._failed(batch[keys[at]], answer, 1)
            else:
                self._keep(keys[at], answer)

    def _lines(self, key: str, listing: Listing) -> tuple[str, ...]:
        """The plans to time; a plan that was tuned before has to win again."""
        record = self.shelf.record(key) if self.effort.again else None
        return listing.lines if record is None else (*listing.lines, record.line())

    def _share(self, left: int) -> float:
        """Seconds for each of so many networks."""
        if self.effort.seconds is None:
            return USUAL
        share = (self.until - monotonic()) * self.crew.hosts / max(1, left)
        return min(MOST, max(LEAST, share))

    def _keep(self, key: str, outcome: Outcome) -> None:
        self.shelf.put(read_record(outcome.line, "tuning"), self.effort.again)
        self.shelf.forget(key, self.effort.trials, self.effort.seed)
        self.outcomes.append(outcome)
        self.ended += 1
        self._step(outcome)

    def _failed(self, task: Task, error: Exception, steps: int) -> None:
        said = str(error) or type(error).__name__
        if isinstance(error, TooSymmetricError):
            said = "it is too symmetric for a canonical form, so no plan can be kept"
        failure = Failure(task.title, f"{type(error).__name__}: {said}"[:300])
        self.failures.append(failure)
        if steps:  # it was counted
            self.ended += 1
            self.done += steps - 1
            self._step(failure)

    def _step(self, latest: Outcome | Failure | None = None) -> None:
        self.done += 1
        self.watch(Step(self.done, self.total, latest))


def _batches(todo: Mapping[str, Task], size: int | None) -> Iterator[dict[str, Task]]:
    """So many at a time, in order; None for all."""
    items: Any = iter(todo.items())
    while batch := dict(islice(items, size)):
        yield batch
