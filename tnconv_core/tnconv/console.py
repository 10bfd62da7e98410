"""What the command line says while it works: stages, and tables of results.

Uses rich where it is installed and a person is watching; plain lines of text otherwise.
Stages go to standard error, so that standard output holds results only, and say nothing
about work of less than a second.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TextIO

#: seconds of work that need no announcement
PATIENCE = 1.0
Update = Callable[[int, int], None]


@contextmanager
def stage(text: str) -> Iterator[Update]:
    """Announce a piece of work and, when it ends, the seconds it took.

    Yields a function to call with (done, total) as the work goes on.
    """
    start = time.perf_counter()
    rich = sys.stderr.isatty() and find_spec("rich") is not None
    with _bar(text) if rich else _plain(text) as update:
        yield update
    seconds = time.perf_counter() - start
    if seconds >= PATIENCE:
        _say(f"{text}: {seconds:.1f} s", sys.stderr)


@contextmanager
def _plain(text: str) -> Iterator[Update]:
    """A line once the work takes longer than a second."""
    announce = threading.Timer(PATIENCE, _say, (f"{text} ...", sys.stderr))
    announce.daemon = True
    announce.start()
    try:
        yield lambda done, total: None
    finally:
        announce.cancel()


def _say(text: str, stream: TextIO) -> None:
    print(text, file=stream, flush=True)


@contextmanager
def _bar(text: str) -> Iterator[Update]:
    """A bar that moves, or pulses until it is told how far the work is."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        *(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()),
        *(TextColumn("left"), TimeRemainingColumn()),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(text, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as lines of text; the first column left-aligned, the others right.

    >>> print(table(("what", "ms"), [("network", "1.5"), ("layers", "12.0")]))
    what       ms
    network   1.5
    layers   12.0
    """
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: with rich where it is installed and a person is watching."""
    if not sys.stdout.isatty() or find_spec("rich") is None:
        print(table(head, rows))
        return
    from rich.console import Console
    from rich.table import Table

    drawn = Table(*head[:1])
    for name in head[1:]:
        drawn.add_column(name, justify="right")
    for row in rows:
        drawn.add_row(*row)
    Console().print(drawn)
