"""What a person reads of a tuning: a summary, the gains, and a plot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, log
from os import PathLike

from tnconv.console import table
from tnconv.errors import MissingDependencyError
from tnconv.tuning.outcome import Failure, Outcome

#: gains that are listed
LISTED = 20
HEAD = ("network", "default ms", "tuned ms", "gain", "spread", "forms")
SUMMARY = ("operation", "networks", "tuned", "mean gain", "largest")


@dataclass(frozen=True, slots=True)
class Report:
    """What became of every network; ``known`` were tuned before, ``left`` were not
    reached. Printed: gains by operation, the largest ones, and what went wrong."""

    outcomes: tuple[Outcome, ...]
    failures: tuple[Failure, ...] = ()
    known: int = 0
    left: int = 0

    @property
    def gain(self) -> float:
        """The geometric mean of all gains; 1 where there are none."""
        return geomean(outcome.gain for outcome in self.outcomes)

    def summary(self) -> list[tuple[str, ...]]:
        """A row for each operation, and one for all."""
        names = list(dict.fromkeys(o.operation or "network" for o in self.outcomes))
        rows = [_summed(name, self._of(name)) for name in names]
        return [*rows, _summed("all", self.outcomes)] if len(names) > 1 else rows

    def gains(self, limit: int = LISTED) -> list[tuple[str, ...]]:
        """Rows of the largest gains."""
        won = sorted((o for o in self.outcomes if o.won), key=lambda o: -o.gain)
        several = len(self.devices()) > 1
        return [_row(outcome, several) for outcome in won[:limit]]

    def devices(self) -> dict[str, int]:
        """How many networks were timed on each device class."""
        return dict(Counter(outcome.device for outcome in self.outcomes))

    def notes(self) -> list[str]:
        """What the tables do not say."""
        won = sum(outcome.won for outcome in self.outcomes)
        lines = [f"timed on {name}: {n}" for name, n in self.devices().items()]
        if won > LISTED:
            lines.append(f"{won - LISTED} more gains: tnconv plans list has them all")
        if self.known:
            lines.append(f"{self.known} were tuned before (--again tunes them anew)")
        if self.left:
            lines.append(f"{self.left} were not reached; the same command goes on")
        for outcome in self.outcomes:
            lines += [f"{outcome.title}: not timed: {why}" for why in outcome.faults]
        lines += [
            f"{failed.title}: not tuned: {failed.why}" for failed in self.failures
        ]
        return lines

    def __str__(self) -> str:
        parts = []
        if self.outcomes:
            parts.append(table(SUMMARY, self.summary()))
        if rows := self.gains():
            parts.append(table(HEAD, rows))
        if notes := self.notes():
            parts.append("\n".join(notes))
        return "\n\n".join(parts) or "nothing to tune"

    def plot(self, path: str | PathLike[str]) -> None:
        """Default times against tuned ones, a dot a network, as a picture.

        Raises MissingDependencyError without Matplotlib.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise MissingDependencyError(
                f'tune: a plot needs Matplotlib ({error}); pip install "tnconv[tune]"'
            ) from error
        figure = Figure(figsize=(5, 5), layout="constrained")
        axes = figure.add_subplot()
        for name in dict.fromkeys(o.operation or "network" for o in self.outcomes):
            mine = self._of(name)
            x, y = ([1e3 * getattr(o, n) for o in mine] for n in ("default", "seconds"))
            axes.scatter(x, y, s=12, alpha=0.7, label=name)
        times = [1e3 * t for o in self.outcomes for t in (o.default, o.seconds)]
        ends = [min(times, default=1.0), max(times, default=1.0)]
        axes.plot(ends, ends, color="gray", linewidth=0.8)
        axes.set(xscale="log", yscale="log", xlabel="default ms", ylabel="tuned ms")
        if self.outcomes:
            axes.legend()
        figure.savefig(path, dpi=150)

    def _of(self, operation: str) -> list[Outcome]:
        named = (o for o in self.outcomes if (o.operation or "network") == operation)
        return list(named)


def _summed(name: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    gains = [outcome.gain for outcome in outcomes]
    won = sum(outcome.won for outcome in outcomes)
    mean, most = geomean(gains), max(gains, default=1.0)
    return name, str(len(gains)), str(won), f"{mean:.2f}x", f"{most:.2f}x"


def _row(outcome: Outcome, several: bool) -> tuple[str, ...]:
    return (
        f"{outcome.title} ({outcome.device})" if several else outcome.title,
        f"{outcome.default * 1e3:.3f}",
        f"{outcome.seconds * 1e3:.3f}",
        f"{outcome.gain:.2f}x",
        f"{outcome.spread:.0%}",
        " ".join(outcome.forms) or "a view",
    )


def geomean(values: Iterable[float]) -> float:
    """The geometric mean; 1 of no values.

    >>> round(geomean([1.0, 4.0]), 3)
    2.0
    """
    logs = [log(value) for value in values]
    return exp(sum(logs) / len(logs)) if logs else 1.0
