"""What ``benchmarks tuned`` measured: rows, their summary, and the file of them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from benchmarks import rows as files
from benchmarks.compact import digits
from benchmarks.environment import header
from benchmarks.table import table
from tnconv.tuning.report import geomean

#: settings that the rows of one file share
SETTINGS = ("backend", "batch", "threads", "every", "slowest", "trials")


@dataclass(frozen=True)
class Row:
    """One network: seconds of the default plan, of the same again, of the tuned one;
    None where both plans are one program."""

    title: str
    operation: str
    times: tuple[float, float, float] | None

    @property
    def gain(self) -> float:
        """The default plan's time (of both measurements) over the tuned plan's."""
        if self.times is None:
            return 1.0
        default, again, tuned = self.times
        return (default * again) ** 0.5 / tuned

    @property
    def noise(self) -> float:
        """The default plan's time over its own."""
        return 1.0 if self.times is None else self.times[0] / self.times[1]


def summary(rows: list[Row]) -> str:
    """Gains by operation, their distribution, and the noise of the same run."""
    head = (
        *("operation", "networks", "other plan", "geometric mean", "of other plans"),
        *("10%", "median", "90%", "best", "worst", "default again, 5% to 95%"),
    )
    names = list(dict.fromkeys(row.operation for row in rows))
    body = [_line(name, [r for r in rows if r.operation == name]) for name in names]
    lost = sorted((row for row in rows if row.times), key=lambda row: row.gain)[:5]
    ranked = [(r.title, r.operation, f"{r.gain:.3f}", f"{r.noise:.3f}") for r in lost]
    worst = table(("least gains", "operation", "gain", "default again"), ranked)
    return f"{table(head, [*body, _line('all', rows)])}\n{worst}"


def _line(name: str, rows: list[Row]) -> tuple[str, ...]:
    gains = sorted(row.gain for row in rows)
    other = [row for row in rows if row.times]
    noise = sorted(row.noise for row in other) or [1.0]
    ranks = (_rank(gains, share) for share in (0.1, 0.5, 0.9))
    return (
        *(name, str(len(rows)), str(len(other)), f"{geomean(gains):.3f}"),
        f"{geomean(row.gain for row in other):.3f}",
        *(f"{gain:.2f}" for gain in ranks),
        *(f"{gains[-1]:.2f}", f"{gains[0]:.2f}"),
        f"{_rank(noise, 0.05):.2f} to {_rank(noise, 0.95):.2f}",
    )


def _rank(ordered: list[float], share: float) -> float:
    return ordered[round(share * (len(ordered) - 1))]


def kept(options: argparse.Namespace) -> dict[tuple[str, str], Row]:
    """What an earlier run measured, by name and operation; rows of another machine, or
    of other settings, end this one."""
    if options.out is None or not options.out.exists():
        return {}
    data = files.read(options.out.parent, options.out.stem)
    if _comparable(data["header"]) != _comparable(_header(options)):
        raise SystemExit(f"{options.out}: of another machine or of other settings")
    rows = [
        Row(name, what, times and tuple(times)) for name, what, times in data["rows"]
    ]
    return {(row.title, row.operation): row for row in rows}


def keep(options: argparse.Namespace, rows: list[Row]) -> None:
    """Write machine and settings, then a line for each network."""
    lines = [
        [r.title, r.operation, r.times and list(map(digits, r.times))] for r in rows
    ]
    files.write(options.out.parent, options.out.stem, _header(options), lines)


def _header(options: argparse.Namespace) -> dict[str, Any]:
    return header(**{name: getattr(options, name) for name in SETTINGS})


def _comparable(found: dict[str, Any]) -> dict[str, Any]:
    """What rows of one table share: not which layers, nor the commit."""
    return {
        name: value for name, value in found.items() if name not in ("commit", "every")
    }
