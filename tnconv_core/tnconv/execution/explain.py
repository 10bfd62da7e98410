"""What a plan was chosen over: predicted times and memory, and measured ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tnconv.console import table
from tnconv.errors import ArgumentError, TnconvError
from tnconv.execution.alike import alike
from tnconv.execution.calibrate import measurable, usual_seconds
from tnconv.planning.candidates import Candidate, candidates

if TYPE_CHECKING:
    from tnconv.execution.expression import Expression
    from tnconv.tuning.outcome import Outcome

#: seconds that the measurement of one plan may take
BUDGET = 0.5
#: how much faster than the chosen plan another is said to be at least
WORTH = 1.05


class ResultsDifferError(TnconvError):
    """Two plans of one network gave different results: a fault in a form or kernel."""


@dataclass(frozen=True, slots=True)
class Considered:
    """One plan: what was contracted, by which forms, and what it takes.

    ``seconds`` and ``peak`` (bytes beyond inputs and result) are predicted,
    ``measured`` is in seconds, None where nothing was measured.
    """

    rewrites: str
    forms: tuple[str, ...]
    without: tuple[str, ...]
    seconds: float
    peak: int
    measured: float | None = None
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """Every plan that was considered, the chosen one first; printed, a table."""

    plans: tuple[Considered, ...]
    expression: Expression = field(repr=False, compare=False)

    @property
    def chosen(self) -> Considered:
        """The plan that runs."""
        return self.plans[0]

    @property
    def regret(self) -> float | None:
        """The chosen plan's measured time over the best one's, if it was measured."""
        times = [p.measured for p in self.plans if p.measured is not None]
        if self.chosen.measured is None:
            return None
        return self.chosen.measured / min(times)

    def keep(self) -> Outcome:
        """Time these plans once more, side by side and against noise as
        :func:`tnconv.tune` does, and write what wins to the user's store.

        The outcome says what won and by how much. It replaces a plan that was kept
        before, unless that wins again. Plans that this process has made already stay
        with it until :func:`tnconv.clear_caches`.

        Raises:
            StoreError: the store cannot be written.
            MissingDependencyError: filelock is not installed.

        >>> import tnconv
        >>> expression = tnconv.expression(tnconv.networks.conv((2, 3, 8), (4, 3, 3)))
        >>> outcome = expression.explain(measure=True).keep()  # doctest: +SKIP
        """
        from tnconv.tuning import tune

        report = tune(self.expression, trials=len(self.plans), again=True)
        for failure in report.failures:
            raise ArgumentError(f"keep: {failure.why}")
        return report.outcomes[0]

    def __str__(self) -> str:
        lines = [self._table()]
        if self.regret is not None and self.regret > WORTH:
            lines.append(
                f"another plan took {1 / self.regret:.0%} of the chosen one's time: "
                "keep() of this explanation, or tnconv show --keep, times them once "
                "more and keeps what wins"
            )
        return "\n".join(lines)

    def _table(self) -> str:
        head = ("plan", "network", "predicted ms", "peak MiB")
        measured = any(plan.measured is not None for plan in self.plans)
        rows = [_row(plan, measured) for plan in self.plans]
        return table((*head, "measured ms") if measured else head, rows)


def _row(plan: Considered, measured: bool) -> tuple[str, ...]:
    mark = "* " if plan.chosen else "  "
    name = mark + (" ".join(plan.forms) or "a view")
    cells = (
        name,
        plan.rewrites,
        f"{plan.seconds * 1e3:.3f}",
        f"{plan.peak / 2**20:.1f}",
    )
    if not measured:
        return cells
    time = "" if plan.measured is None else f"{plan.measured * 1e3:.3f}"
    return (*cells, time)


def explain(
    expression: Expression, measure: bool = False, limit: int = 8
) -> Explanation:
    """What was considered for an expression: see :meth:`Expression.explain`."""
    expression = expression.here  # plans are compared in one place
    backend = expression.backend
    place = expression.place
    if measure:
        place = measurable(backend, "explain").home(expression.dtype, place.device)
    found = candidates(
        expression.searched,
        backend.machine(place),
        expression.itemsize,
        expression.options,
        limit,
        expression.planned,
    )
    plans = [_considered(candidate, at == 0) for at, candidate in enumerate(found)]
    if measure:
        times = _timed(expression, place, found)
        plans = [
            replace(plan, measured=seconds)
            for plan, seconds in zip(plans, times, strict=True)
        ]
    return Explanation(tuple(plans), expression)


def _considered(candidate: Candidate, chosen: bool) -> Considered:
    planned = candidate.planned
    return Considered(
        planned.plan.rewrites,
        candidate.forms,
        candidate.without,
        planned.seconds,
        planned.peak,
        chosen=chosen,
    )


def _timed(
    expression: Expression, place: Any, found: tuple[Candidate, ...]
) -> list[float]:
    """Seconds of every plan, on the same arrays; results are compared to the first."""
    backend = measurable(expression.backend, "explain")
    arrays = [
        backend.sample(place, shape, number)
        for number, shape in enumerate(expression.network.arguments.values())
    ]
    times: list[float] = []
    first: Any = None
    for candidate in found:
        run = backend.compile(candidate.planned.program, place)
        result = run(arrays)
        if first is None:
            first = result
        elif not alike(first, result, expression.dtype):
            raise ResultsDifferError(
                f"explain: the plan {' '.join(candidate.forms)} (without "
                f"{', '.join(candidate.without)}) gives another result than the chosen "
                f"one for {expression.network}"
            )
        del result
        times.append(usual_seconds(backend, run, arrays, BUDGET))
    return times
