"""From options to modules: which format and ranks each layer gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from tnconv.errors import ArgumentError
from tnconv.factor import FactorizedKernel, Fraction
from tnconv.factor.decompose import decompose
from tnconv.factor.rank import Cost, Rank
from tnconv_backends.torch.compress.base import FactorizedModule
from tnconv_backends.torch.compress.layers import kernel_shape
from tnconv_backends.torch.compress.modules import factorized
from tnconv_backends.torch.compress.options import (
    Costs,
    Option,
    Pricing,
    fitting,
    options_of,
)
from tnconv_backends.torch.compress.report import LayerReport
from tnconv_backends.torch.compress.solve import Point, front, least_cost, loss, solve
from tnconv_backends.torch.compress.survey import Survey

Tick = Callable[[], None]
NAMES = {
    "params": "parameters",
    "macs": "multiply-adds",
    "seconds": "predicted time",
}


@dataclass(frozen=True)
class Plan:
    """What becomes of a layer; without a module it stays dense."""

    module: FactorizedModule | None
    reason: str
    before: Costs
    after: Costs
    kernel: FactorizedKernel | None = None

    def line(
        self, name: str, kind: str, measured: tuple[float, float] | None
    ) -> LayerReport:
        """The layer's line of the report."""
        if self.kernel is None:
            return LayerReport(
                name, kind, False, self.reason, before=self.before, after=self.before
            )
        fit = self.kernel.fit
        return LayerReport(
            name,
            kind,
            True,
            self.reason,
            self.kernel.format,
            self.kernel.ranks,
            self.before,
            self.after,
            measured,
            None if fit is None else fit.error,
            None if fit is None else fit.output_error,
            None if fit is None else fit.degeneracy,
            () if fit is None else fit.remarks,
        )


@dataclass(frozen=True)
class Chooser:
    """The layers, what was seen of them, and what they may become."""

    layers: Mapping[str, nn.Module]
    survey: Survey
    formats: Sequence[str]
    round_to: int
    slower: bool
    seed: int

    def given(self, rank: Any, tick: Tick) -> dict[str, Plan]:
        """Every layer with the rank that is given."""
        found = {}
        for name, layer in self.layers.items():
            own = rank[name] if isinstance(rank, Mapping) else rank
            found[name] = self._with_rank(name, layer, own, isinstance(rank, Mapping))
            tick()
        return found

    def under(self, budget: Fraction, whole: int, tick: Tick) -> dict[str, Plan]:
        """The options of least error within a budget.

        ``whole`` are the parameters of the model, of which a budget of parameters is.
        """
        prices = {name: self._pricing(name) for name in self.layers}
        points = {n: self._points(n, prices[n], budget.of) for n in self.layers}
        total = sum(price.cost(budget.of, None) for price in prices.values())
        others = whole - total if budget.of == "params" else 0.0
        limit = budget.share * (total + others) - others
        chosen = self._solved(points, prices, limit, budget, total + others)
        found = {}
        for name, point in chosen.items():
            found[name] = self._fitted(name, prices[name], point.option, budget)
            tick()
        return found

    def _pricing(self, name: str) -> Pricing:
        return Pricing(self.layers[name], self.survey.seen.get(name))

    def _points(self, name: str, price: Pricing, of: Cost) -> list[Point[Option]]:
        """Dense, and the options that are cheaper in what the budget is of."""
        layer, seen = self.layers[name], price.seen
        moments = None if seen is None else seen.covariance
        options = options_of(layer, self.formats, moments, self.round_to, self.seed)
        if of == "seconds":  # planned for those that no other beats in multiply-adds
            short = [
                Point(price.cost("macs", o.format, o.ranks), o.error, o)
                for o in options
            ]
            options = [point.option for point in front(short)]
        dense = Option(None, (), price.shape_size, 0.0)
        most = price.cost(of, None)
        found = [
            Point(price.cost(of, o.format, o.ranks), loss(o.error), o) for o in options
        ]
        return [Point(most, 0.0, dense), *(p for p in found if p.cost < most)]

    def _solved(
        self,
        points: dict[str, list[Point[Option]]],
        prices: Mapping[str, Pricing],
        limit: float,
        budget: Fraction,
        whole: float,
    ) -> dict[str, Point[Option]]:
        """Solve, leave out what is slower than dense, and solve again."""
        while True:
            least = least_cost(points)
            if least > limit:
                share = (least + budget.share * whole - limit) / whole
                raise ArgumentError(
                    f"compress: {budget!r} cannot be met: the least with these formats "
                    f"and layers is a share of {share:.3g}; allow more, more formats, "
                    "or slower=True"
                )
            chosen = solve(points, limit)
            slow = [n for n, p in chosen.items() if self._slow(prices[n], p.option)]
            if not slow:
                return chosen
            for name in slow:
                points[name] = [p for p in points[name] if p is not chosen[name]]

    def _slow(self, price: Pricing, option: Option) -> bool:
        if self.slower or price.seen is None or option.format is None:
            return False
        own = price.cost("seconds", option.format, option.ranks)
        return own >= price.cost("seconds", None)

    def _fitted(
        self, name: str, price: Pricing, option: Option, budget: Fraction
    ) -> Plan:
        before = price.costs(None)
        if option.format is None:
            reason = f"dense is best within {_text(budget)}"
            return Plan(None, reason, before, before)
        kernel = self._kernel(name, option.format, option.ranks)
        reason = f"least error within {_text(budget)}"
        return self._plan(name, price, kernel, reason)

    def _with_rank(self, name: str, layer: nn.Module, rank: Rank, named: bool) -> Plan:
        price = self._pricing(name)
        format = fitting(self.formats, kernel_shape(layer))[0]
        before = price.costs(None)
        try:
            kernel = self._kernel(name, format, rank)
        except ArgumentError as error:
            if named:
                raise ArgumentError(f"compress: layer {name!r}: {error}") from error
            return Plan(None, str(error), before, before)
        reason = "given" if kernel.fit is None else kernel.fit.reason
        plan = self._plan(name, price, kernel, reason)
        if plan.after.params >= before.params:
            reason = f"ranks {kernel.ranks} ({reason}) have no fewer parameters"
            return Plan(None, reason, before, before)
        if not self.slower and before.seconds and plan.after.seconds:
            if plan.after.seconds >= before.seconds:
                reason = (
                    f"ranks {kernel.ranks} ({reason}) are predicted to take "
                    f"{plan.after.seconds * 1e3:.3g} ms, dense "
                    f"{before.seconds * 1e3:.3g}"
                )
                return Plan(None, reason, before, before)
        return plan

    def _plan(
        self, name: str, price: Pricing, kernel: FactorizedKernel, reason: str
    ) -> Plan:
        module = factorized(self.layers[name], kernel)
        after = price.costs(kernel.format, kernel.ranks)
        return Plan(module, reason, price.costs(None), after, kernel)

    def _kernel(self, name: str, format: str, rank: Rank) -> FactorizedKernel:
        layer: Any = self.layers[name]
        shape, seen = kernel_shape(layer), self.survey.seen.get(name)
        return decompose(
            layer.weight,
            format,
            rank,
            groups=shape.groups,
            transposed=shape.transposed,
            covariance=None if seen is None else seen.covariance,
            round_to=self.round_to,
            workload=None if seen is None else seen.workload,
            seed=self.seed,
        )


def _text(budget: Fraction) -> str:
    """A budget in words."""
    return f"{budget.share:.0%} of the model's {NAMES[budget.of]}"
