"""Distance as the layer's output sees it: second moments of what the layer reads.

With ``a`` the unfolded input of one example at one position and ``C`` the mean of ``a
a^T`` (the KFAC-expand input factor), ``|(W - K) a|^2`` is on average the squared
distance of W and K through C. In coordinates in which C is the identity it is plain
distance. Factors can be taken back from there where C is a Kronecker product over the
legs that each of them carries; of any other C something is left to be measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from tnconv.errors import ArgumentError
from tnconv.factor.fit.held import Held, alike
from tnconv.factor.fit.layout import Labels, Layout
from tnconv.factor.formats import KernelShape

Array = Any

#: added to the diagonal, relative to its mean: directions no example has shown
DAMPING = 1e-4


@dataclass(frozen=True)
class Metric:
    """Second moments (group, legs, legs) with an axis per label, damped."""

    values: Array
    legs: Labels


def metrics_of(
    held: Held,
    layout: Layout,
    kernel: KernelShape,
    covariance: Array | tuple[Array, Array],
) -> tuple[Metric, ...]:
    """Check a covariance and give it the legs of the weight.

    It is (groups, features, features), or (features, features) without groups, with
    features (channels, *kernel) as a weight has them, or channels only; of a pair, the
    first has the channels and the second the positions.
    """
    if kernel.groups > 1 and not layout.group:
        raise ArgumentError(
            "decompose: a covariance of groups needs the group on every factor of the "
            "network; leave covariance out, or give every factor the group"
        )
    incoming = layout.weight[0 if kernel.transposed else 1]
    channels = tuple(label for label in incoming if label not in layout.group)
    positions = tuple(label for axis in layout.weight[2:] for label in axis)
    job = _Check(held, layout, kernel)
    if not isinstance(covariance, (tuple, list)):
        return (job.metric(covariance, (*channels, *positions), channels),)
    if len(covariance) != 2:
        raise ArgumentError(
            f"decompose: covariance has {len(covariance)} parts; give one array, or a "
            "pair for channels and kernel positions"
        )
    if not positions:
        raise ArgumentError(
            f"decompose: covariance is a pair, and a weight of shape {kernel.shape} "
            "has no kernel positions; give that of the features"
        )
    first, second = covariance
    return job.metric(first, channels), job.metric(second, positions)


@dataclass(frozen=True)
class _Check:
    """Who checks the covariances of one weight."""

    held: Held
    layout: Layout
    kernel: KernelShape

    def metric(self, covariance: Array, *readings: Labels) -> Metric:
        """A covariance of the legs that its size fits; the first where none does."""
        xp, groups = self.held.xp, self.kernel.groups
        values = alike(self.held, "decompose", "covariance", covariance)
        given = values.shape[-1] if values.ndim else 0
        sizes = {legs: prod(self.layout.shape(legs)) for legs in readings}
        legs = next((a for a, n in sizes.items() if n == given), readings[0])
        wanted = (groups, sizes[legs], sizes[legs])
        if tuple(values.shape) not in (wanted, wanted[1:] if groups == 1 else wanted):
            raise ArgumentError(
                f"decompose: covariance has shape {tuple(values.shape)}, a weight of "
                f"shape {self.kernel.shape} in {groups} groups reads {wanted[1]} "
                f"features; give the result of kfac_input_factor, {wanted}, that of "
                "the channels alone, or a pair for channels and positions"
            )
        flat = xp.reshape(values, wanted)
        _check_symmetric(xp, flat)
        shape = (*self.layout.shape(self.layout.group), *self.layout.shape(legs) * 2)
        return Metric(xp.reshape(_damped(xp, flat), shape), legs)


def _damped(xp: Any, flat: Array) -> Array:
    """The symmetric part, with a little on the diagonal."""
    groups, size, _ = flat.shape
    mean = xp.sum(xp.linalg.diagonal(flat)) / (groups * size)
    one = xp.eye(size, dtype=flat.dtype, device=flat.device)
    return (flat + xp.permute_dims(flat, (0, 2, 1))) / 2 + DAMPING * mean * one


def _check_symmetric(xp: Any, flat: Array) -> None:
    turned = xp.permute_dims(flat, (0, 2, 1))
    most = xp.max(xp.abs(flat))
    if not bool(xp.max(xp.abs(flat - turned)) <= 1e-4 * most):
        raise ArgumentError(
            "decompose: covariance is not symmetric; give a matrix of second moments"
        )
