"""What is said while plans are tuned: a bar for who watches, lines for a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from tnconv.tuning.outcome import Failure, Outcome
from tnconv.tuning.run import Step

#: seconds between two lines of a log
EVERY = 10.0


class Progress:
    """Called with every step; ``update`` moves a bar, which is nothing in a log."""

    def __init__(self, update: Callable[[int, int], None]) -> None:
        self.update = update
        self.start = self.told = time.monotonic()

    def __call__(self, step: Step) -> None:
        self.update(step.done, step.total)
        now = time.monotonic()
        if not sys.stderr.isatty() and now - self.told >= EVERY:
            self.told = now
            print(self._line(step, now - self.start), file=sys.stderr, flush=True)

    def _line(self, step: Step, seconds: float) -> str:
        left = seconds / max(1, step.done) * (step.total - step.done)
        return (
            f"tuning: {step.done} of {step.total} steps, about {_time(left)} left"
            f"{_said(step.latest)}"
        )


def _said(latest: Outcome | Failure | None) -> str:
    if isinstance(latest, Outcome):
        return f"; {latest.title}: {latest.seconds * 1e3:.3f} ms, {latest.gain:.2f}x"
    return "" if latest is None else f"; {latest.title}: {latest.why}"


def _time(seconds: float) -> str:
    """Seconds, or minutes.

    >>> _time(5.2), _time(200)
    ('5 s', '3 min')
    """
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
