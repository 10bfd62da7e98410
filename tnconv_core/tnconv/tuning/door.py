"""The function: networks in, the best plans in a store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from os import PathLike
from pathlib import Path
from typing import Any

from tnconv.errors import ArgumentError
from tnconv.execution.calibrate import measurable
from tnconv.execution.registry import backend as backend_named
from tnconv.tuning.cluster import is_client, team
from tnconv.tuning.crew import Alone, Crew, Team
from tnconv.tuning.files import read_tasks
from tnconv.tuning.layers import TRAINING
from tnconv.tuning.report import Report
from tnconv.tuning.run import Effort, Step, Tuning, Watch
from tnconv.tuning.shelf import Shelf
from tnconv.tuning.tasks import Settings, Task, tasks_of


def tune(
    what: Any,
    *,
    backend: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    operations: Sequence[str] = TRAINING,
    batch: int = 8,
    seconds: float | None = None,
    trials: int = 8,
    seed: int = 0,
    again: bool = False,
    store: str | PathLike[str] | None = None,
    executor: Executor | Any = None,
    watch: Watch | None = None,
) -> Report:
    """Find the fastest plans by the clock and keep them, where every process that
    contracts the same networks on the same kind of machine finds them.

    For each network the search lists plans by predicted cost; those that compute what
    the default plan does are timed on arrays that the backend makes, fewer and fewer of
    them; the last one is kept if it beats the default plan by more than the noise, else
    the default plan is. Plans are kept one by one: an interrupted tuning goes on where
    it stopped. Options in force (``memory_limit``, ``forms``) hold, and are part of
    what plans are kept under.

    Args:
        what: a file (:func:`tnconv.tuning.files.read_tasks` says what it holds), a
            network, an expression, the record of a layer, or several of these three.
        backend, dtype, device: where the plans will run; None for what a file, an
            expression or a recorded network says, else NumPy and float32.
        operations: what is tuned of a layer: ``forward``, ``input-vjp``,
            ``weight-vjp``, ``per-example``, ``kfac-expand``, ``kfac-reduce``.
        batch: examples of a layer whose record does not say.
        seconds: what all of it may take, about; None for as long as it takes.
        trials: plans that are timed for each network.
        seed: of the search and of the order of timings.
        again: measure plans again that were measured before, and keep what wins now.
        store: a store to write (SQLite where its name ends in ``.sqlite`` or ``.db``,
            else JSON lines); None for the user's.
        executor: where to search and time; None for this process. Any of
            ``concurrent.futures`` and those like it, or a Dask client; workers may be
            on other machines. Times are taken one at a time on each machine, and are
            filed under the device class of the worker.
        watch: called with a :class:`~tnconv.tuning.run.Step` as the work goes on.

    Raises:
        ArgumentError: there is nothing to tune, or an argument does not fit.
        StoreError: the store cannot be written.
        MissingDependencyError: filelock, or the backend's library, is not installed.

    Source: ``docs/tune.md``.

    >>> import tempfile, tnconv
    >>> layer = {"in_channels": 3, "out_channels": 4, "input_size": [9, 9],
    ...          "kernel_size": 3, "name": "first"}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = tnconv.tune([layer], trials=2,
    ...                          store=f"{folder}/plans.jsonl")
    >>> [outcome.title for outcome in report.outcomes]
    ['first forward', 'first input-vjp', 'first weight-vjp']
    """
    settings = Settings(backend, dtype, device, operations, batch)
    effort = Effort(seconds, trials, seed, again)
    tasks = list(_tasks(what, settings))
    if not tasks:
        raise ArgumentError("tune: there is nothing to tune")
    shelf = Shelf.at(None if store is None else Path(store))
    return run(tasks, _crew(executor), shelf, effort, watch)


def run(
    tasks: Sequence[Task],
    crew: Crew,
    shelf: Shelf,
    effort: Effort,
    watch: Watch | None = None,
) -> Report:
    """Tune tasks by a crew; what this process lacks is said before the work begins."""
    if isinstance(crew, Alone):
        for name in {task.backend for task in tasks}:
            measurable(backend_named(name), "tune")
    return Tuning(crew, shelf, effort, watch or _silent).run(tasks)


def _crew(executor: Any) -> Crew:
    """Who does the work."""
    if executor is None:
        return Alone()
    if is_client(executor):
        return team(executor)
    if not callable(getattr(executor, "submit", None)):
        raise ArgumentError(
            "tune: executor is one of concurrent.futures, or like it (it has a method "
            f"submit), or a Dask client; got {executor!r:.60}"
        )
    return Team(executor)


def _silent(step: Step) -> None:
    """Nobody is watching."""


def _tasks(what: Any, settings: Settings) -> Iterable[Task]:
    if isinstance(what, str | PathLike):
        return read_tasks(Path(what), settings)
    several = isinstance(what, Iterable) and not isinstance(what, dict)
    return tasks_of(what if several else [what], settings)
