"""Distance as the layer's output sees it: second moments of what the layer reads.

With ``a`` the unfolded input of one example at one position and ``C`` the mean of ``a
a^T`` (the KFAC-expand input factor), ``|(W - K) a|^2`` is on average the squared
distance of W and K through C. A start is found in coordinates in which C, averaged over
the legs that the first factor does not carry, is the identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from tnconv.errors import ArgumentError
from tnconv.factor.fit.equations import METRIC
from tnconv.factor.fit.held import Held, alike
from tnconv.factor.fit.layout import PRIME, Labels, Layout, matrix, run
from tnconv.factor.formats import KernelShape

Array = Any

#: added to the diagonal, relative to its mean: directions no example has shown
DAMPING = 1e-4


@dataclass(frozen=True)
class Metric:
    """Second moments (group, legs, legs) with an axis per label, damped."""

    values: Array
    legs: Labels


def metric_of(
    held: Held, layout: Layout, kernel: KernelShape, covariance: Array
) -> Metric:
    """Check a covariance and give it the legs of the weight.

    It is (groups, features, features), or (features, features) without groups, with
    features (channels, *kernel) as a weight has them, or channels only.
    """
    xp = held.xp
    values = alike(held, "decompose", "covariance", covariance)
    incoming = layout.weight[0 if kernel.transposed else 1]
    channels = tuple(label for label in incoming if label not in layout.group)
    legs = (*channels, *(label for axis in layout.weight[2:] for label in axis))
    square = values.shape[-1] if values.ndim else 0
    if square == prod(layout.shape(channels)):
        legs = channels
    wanted = (kernel.groups, prod(layout.shape(legs)), prod(layout.shape(legs)))
    if tuple(values.shape) not in (
        wanted,
        wanted[1:] if kernel.groups == 1 else wanted,
    ):
        raise ArgumentError(
            f"decompose: covariance has shape {tuple(values.shape)}, a weight of "
            f"shape {kernel.shape} in {kernel.groups} groups reads {wanted[1]} "
            f"features; give the result of kfac_input_factor, {wanted}, or that of the "
            "channels alone"
        )
    if kernel.groups > 1 and not layout.group:
        raise ArgumentError(
            "decompose: a covariance of groups needs the group on every factor of the "
            "network; leave covariance out, or give every factor the group"
        )
    flat = xp.reshape(values, wanted)
    turned = xp.permute_dims(flat, (0, 2, 1))
    _check_symmetric(xp, flat, turned)
    mean = xp.sum(xp.linalg.diagonal(flat)) / (wanted[0] * wanted[1])
    one = xp.eye(wanted[1], dtype=flat.dtype, device=flat.device)
    damped = (flat + turned) / 2 + DAMPING * mean * one
    shape = (*layout.shape(layout.group), *layout.shape(legs) * 2)
    return Metric(xp.reshape(damped, shape), legs)


@dataclass(frozen=True)
class White:
    """A weight in coordinates where inputs are white along the legs of one factor.

    ``metric`` is what is left of the covariance there, None if nothing. :meth:`back`
    takes factors to the coordinates of the weight.
    """

    layout: Layout
    weight: Array
    metric: Metric | None
    carrier: str
    own: Labels
    inverse: Array

    def back(self, factors: Mapping[str, Array], xp: Any) -> dict[str, Array]:
        """The factors of the weight itself."""
        name = self.carrier
        legs = self.layout.factors[name]
        values = _times(xp, self.layout, factors[name], legs, self.own, self.inverse)
        return {**factors, name: values}


def whiten(xp: Any, layout: Layout, weight: Array, metric: Metric) -> White:
    """Choose coordinates by the factor that carries the first leg that is measured."""
    carrier = layout.holders(metric.legs[0])[0]
    own = tuple(a for a in metric.legs if a in layout.factors[carrier])
    root = xp.linalg.cholesky(_marginal(xp, layout, metric, own))
    inverse = xp.linalg.inv(root)
    white = _times(xp, layout, weight, layout.output, own, root)
    left = None
    if own != metric.legs:
        turned = xp.permute_dims(inverse, (0, 2, 1))
        wide, second = layout.primed(metric.legs), tuple(a + PRIME for a in own)
        labels = (*layout.group, *metric.legs, *(a + PRIME for a in metric.legs))
        values = _times(xp, wide, metric.values, labels, own, turned)
        values = _times(xp, wide, values, labels, second, turned)
        left = Metric(values, metric.legs)
    return White(layout, white, left, carrier, own, inverse)


def _marginal(xp: Any, layout: Layout, metric: Metric, own: Labels) -> Array:
    """The covariance of some legs, averaged over the others."""
    wide = layout.primed(own)
    second = tuple(a + PRIME if a in own else a for a in metric.legs)
    labels = (*layout.group, *metric.legs, *second)
    result = (*layout.group, *own, *(a + PRIME for a in own))
    network = wide.network([wide.operand(METRIC, labels)], result)
    others = prod(layout.shape(a for a in metric.legs if a not in own))
    size = prod(layout.shape(own))
    summed = run(network, {METRIC: metric.values}) / others
    return xp.reshape(summed, (-1, size, size))


def _times(
    xp: Any, layout: Layout, values: Array, labels: Labels, legs: Labels, by: Array
) -> Array:
    """Multiply an array along some legs by (groups, legs, legs) from the right."""
    rest = tuple(a for a in labels if a not in (*legs, *layout.group))
    flat = matrix(xp, values, labels, layout.group, rest, legs) @ by
    order = (*layout.group, *rest, *legs)
    full = xp.reshape(flat, layout.shape(order))
    return xp.permute_dims(full, tuple(order.index(a) for a in labels))


def _check_symmetric(xp: Any, flat: Array, turned: Array) -> None:
    most = xp.max(xp.abs(flat))
    if not bool(xp.max(xp.abs(flat - turned)) <= 1e-4 * most):
        raise ArgumentError(
            "decompose: covariance is not symmetric; give a matrix of second moments"
        )
