"""The command ``tnconv tune``: the fastest plans by the clock, ahead of time."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tnconv.errors import ArgumentError, MissingDependencyError

if TYPE_CHECKING:
    from tnconv.tuning.crew import Crew
    from tnconv.tuning.report import Report
    from tnconv.tuning.run import Tuning
    from tnconv.tuning.tasks import Task

DESCRIPTION = """\
Find the fastest plans for layers and networks by the clock, and keep them: processes
that contract the same networks on this kind of machine then find them without a search.

FILE holds layers or networks (JSON or TOML); with tnconv.record(FILE) around a real run
it holds what that called. Or give a PyTorch model, package.module:function, and the
shape of a batch in --input.

Ctrl-C keeps what was found; the same command goes on from there. Run it on an idle
machine, with the number of threads that will be used.

examples:
  tnconv tune layers.json --backend torch --batch 32
  tnconv tune layers.json --operations forward kfac-reduce --seconds 600
  tnconv tune shapes.json --out plans.jsonl --plot gains.png
  tnconv tune models:resnet --input 32,3,224,224
  tnconv tune layers.json --scheduler tcp://head:8786
"""
OPERATIONS = "forward input-vjp weight-vjp per-example kfac-expand kfac-reduce"


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    command = commands.add_parser(
        "tune",
        help="find the fastest plans by the clock, and keep them",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "what", metavar="FILE", help="layers or networks, or MODULE:FUNCTION"
    )
    _add_what(command)
    _add_effort(command)
    _add_results(command)
    command.set_defaults(run=run)


def _add_what(command: Any) -> None:
    text = "which backend to tune for (default: the file's, or numpy; a model's: torch)"
    command.add_argument("--backend", metavar="NAME", help=text)
    text = "which element type (default: the file's, or float32)"
    command.add_argument("--dtype", metavar="NAME", help=text)
    text = "where, as the library names it (default: the file's, or the library's)"
    command.add_argument("--device", metavar="NAME", help=text)
    command.add_argument(
        "--operations",
        nargs="+",
        default=OPERATIONS.split()[:3],
        metavar="NAME",
        help=f"of layers: {OPERATIONS} (default: the first three)",
    )
    text = "examples, for layers that do not say (default: 8)"
    command.add_argument("--batch", type=int, default=8, metavar="N", help=text)
    text = "the shape of a model's input, the batch first"
    command.add_argument("--input", metavar="N,N,..", help=text)
    text = "bytes that a plan may allocate beyond inputs and result"
    command.add_argument("--memory-limit", type=int, metavar="BYTES", help=text)


def _add_effort(command: Any) -> None:
    text = "how long it may take, about (default: as long as it takes)"
    command.add_argument("--seconds", type=float, metavar="S", help=text)
    text = "plans that are timed for each network (default: 8)"
    command.add_argument("--trials", type=int, default=8, metavar="N", help=text)
    text = "of the search and the order of timings (default: 0)"
    command.add_argument("--seed", type=int, default=0, metavar="N", help=text)
    text = "measure again what was tuned before"
    command.add_argument("--again", action="store_true", help=text)
    text = "threads of the libraries (default: what the environment says)"
    command.add_argument("--threads", type=int, metavar="N", help=text)
    where = command.add_mutually_exclusive_group()
    text = "search in so many processes; timings take turns (default: this one)"
    where.add_argument("--workers", type=int, metavar="N", help=text)
    text = "search and time on the workers of a Dask cluster: tcp://host:8786"
    where.add_argument("--scheduler", metavar="ADDRESS", help=text)


def _add_results(command: Any) -> None:
    text = "write this store instead of yours (SQLite: *.sqlite, *.db; else JSON lines)"
    command.add_argument("--out", type=Path, metavar="FILE", help=text)
    text = "draw default against tuned times into this picture"
    command.add_argument("--plot", type=Path, metavar="FILE", help=text)


def run(options: argparse.Namespace) -> int:
    """Tune, print what was gained; 1 where something was not tuned."""
    _set_threads(options.threads)
    from tnconv.console import stage
    from tnconv.options import options as in_force
    from tnconv.tuning.progress import Progress
    from tnconv.tuning.run import Effort, Tuning
    from tnconv.tuning.shelf import Shelf

    effort = Effort(options.seconds, options.trials, options.seed, options.again)
    shelf = Shelf.at(options.out)
    with in_force(memory_limit=options.memory_limit):
        tasks = _tasks(options)
        with stage("tuning") as update, _crew(options) as crew:
            tuning = Tuning(crew, shelf, effort, Progress(update))
            interrupted = _run(tuning, tasks)
    _show(tuning.report(), options.plot)
    print(f"plans in {shelf}")
    if interrupted:
        print("tnconv: interrupted; the same command goes on", file=sys.stderr)
    return 1 if interrupted or tuning.failures else 0


def _set_threads(threads: int | None) -> None:
    """Before any library is loaded, and for the processes started from here."""
    if threads is None:
        return
    if threads < 1:
        raise ArgumentError(f"tune: --threads is 1 or more, got {threads}")
    from tnconv.planning.device import THREADS

    os.environ.update(dict.fromkeys(THREADS, str(threads)))


def _run(tuning: Tuning, tasks: list[Task]) -> bool:
    """Tune; whether Ctrl-C ended it."""
    try:
        tuning.run(tasks)
    except KeyboardInterrupt:
        return True
    return False


def _tasks(options: argparse.Namespace) -> list[Task]:
    """What is to be tuned: a file's, or a model's."""
    from tnconv.tuning.files import read_tasks
    from tnconv.tuning.tasks import Settings, tasks_of

    place = (options.backend, options.dtype, options.device)
    path, is_model = Path(options.what), _is_model(options.what)
    if options.input is not None and not is_model:
        raise ArgumentError("tune: --input is for a model, MODULE:FUNCTION")
    if is_model:
        place = (options.backend or "torch", *place[1:])
    settings = Settings(*place, options.operations, options.batch)
    if not is_model:
        return read_tasks(path, settings)
    return list(tasks_of(_layers(options), settings))


def _is_model(text: str) -> bool:
    module, _, function = text.partition(":")
    names = [*module.split("."), function]
    return all(map(str.isidentifier, names)) and not Path(text).exists()


def _layers(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The records of a model's layers, from the backend that knows models."""
    from tnconv.execution.registry import load

    try:
        shape = tuple(int(part) for part in (options.input or "").split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise ArgumentError(
            "tune: a model needs the shape of a batch in --input, as 32,3,224,224"
        )
    try:
        observed = load("tnconv.commands", "layers")
    except ImportError as error:
        raise MissingDependencyError(
            f'tune: a model needs PyTorch ({error}); pip install "tnconv[torch]"'
        ) from error
    found: list[dict[str, Any]] = observed(options.what, shape)
    return found


def _crew(options: argparse.Namespace) -> AbstractContextManager[Crew]:
    """Who does the work."""
    from tnconv.tuning.cluster import cluster
    from tnconv.tuning.crew import Alone, processes

    if options.scheduler is not None:
        return cluster(options.scheduler)
    if options.workers is None:
        return nullcontext(Alone())
    if options.workers < 1:
        raise ArgumentError(f"tune: --workers is 1 or more, got {options.workers}")
    return processes(options.workers)


def _show(report: Report, plot: Path | None) -> None:
    """Tables of what was gained, what else there is to say, and the plot."""
    from tnconv.console import show_table
    from tnconv.tuning.report import HEAD, SUMMARY

    if report.outcomes:
        show_table(SUMMARY, report.summary())
    if gains := report.gains():
        print()
        show_table(HEAD, gains)
    for note in report.notes():
        print(note)
    if plot is not None:
        report.plot(plot)
        print(f"plot in {plot}")
