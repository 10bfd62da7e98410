"""Ranks by empirical variational Bayes matrix factorization (EVBMF), exactly.

A matrix is taken to be a low-rank product plus Gaussian noise. Under the variational
Bayes approximation, with the priors' variances learned too, the best fit is known in
closed form for a given noise variance: every singular value is shrunk on its own, and
those below a threshold vanish. What remains is a search for the noise variance, in one
dimension.

That search is exact here. In ``u = log(variance)`` the free energy has the slope

    L - (sum of x over dropped components) - (sum of 1 + alpha + alpha/tau over kept)

where the first sum falls with ``u`` and the second rises, so the slope on an interval
lies between bounds. Bisection keeps the intervals that may hold a stationary point
until they are as small as rounding allows, and the deepest of these points is taken. No
tolerance has a unit: a matrix and its multiple have the same rank.

Source: Nakajima, Sugiyama, Babacan and Tomioka, *Global analytic solution of
fully-observed variational Bayesian matrix factorization*, JMLR 14 (2013), and
*Condition for perfect dimensionality recovery by variational Bayesian PCA*, JMLR 16
(2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil, isfinite, log1p, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnconv.errors import ArgumentError

Vector = NDArray[np.float64]

#: times the longer side and the largest value: what rounding of float32 may leave
_ROUNDING = float(np.finfo(np.float32).eps)
#: halvings of an interval of log(variance) until it is as small as rounding allows
_HALVINGS = 48
#: entries of one block of work
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Estimate:
    """What EVBMF says about one matrix.

    ``rank`` counts the components it keeps, ``numerical_rank`` those above rounding
    (lossless), ``singular_values`` are the kept ones after shrinkage, largest first,
    and ``noise_variance`` is the variance of one entry's noise, in units of an entry
    squared.
    """

    rank: int
    numerical_rank: int
    noise_variance: float
    singular_values: tuple[float, ...]


def evbmf(
    singular_values: Sequence[float] | NDArray[Any],
    shape: tuple[int, int],
    *,
    noise_variance: float | None = None,
) -> Estimate:
    """Find the rank of a matrix by EVBMF, from its singular values alone.

    Args:
        singular_values: all min(shape) of them, in any order; zeros may be left out.
        shape: rows and columns of the matrix, in either orientation.
        noise_variance: variance of one entry's noise, where it is known.

    Returns:
        The rank and what led to it. Singular values at the level of float32 rounding
        count as zero, and the matrix as one of as many rows as there are others. A
        matrix of one row has rank 0, for one row shows no structure.

    Raises:
        ArgumentError: a value is negative or not finite, there are more than
            min(shape), or the noise variance is not positive.

    Source: see the module; threshold and shrinkage are theorem 2 of the JMLR 2015
    paper, bounds of the noise variance theorem 3.

    >>> import numpy as np
    >>> noise = np.random.default_rng(0).standard_normal((20, 100))
    >>> signal = np.outer(np.ones(20), np.ones(100))
    >>> values = np.linalg.svd(signal + noise, compute_uv=False)
    >>> evbmf(values, (20, 100)).rank
    1
    """
    values = _checked(singular_values, shape)
    if noise_variance is not None and not (
        isfinite(noise_variance) and noise_variance > 0
    ):
        raise ArgumentError(
            f"evbmf: noise_variance is {noise_variance}; give a positive number, or "
            "None to have it estimated"
        )
    if not len(values):
        return Estimate(0, 0, noise_variance or 0.0, ())
    unit, columns = float(values[0]), max(shape)
    problem = _Problem(values / unit, columns)
    if noise_variance is None:
        variance = problem.best_variance()
    else:
        variance = noise_variance / unit**2
    shrunk = problem.shrunk(variance) * unit
    found = tuple(float(value) for value in shrunk)
    return Estimate(len(found), len(values), variance * unit**2, found)


def _checked(singular_values: Any, shape: tuple[int, int]) -> Vector:
    """The values above rounding, largest first."""
    values = np.sort(np.asarray(singular_values, dtype=np.float64).ravel())[::-1]
    if len(shape) != 2 or min(shape) < 1:
        raise ArgumentError(
            f"evbmf: shape is {shape}; give rows and columns, at least 1"
        )
    if len(values) > min(shape):
        raise ArgumentError(
            f"evbmf: {len(values)} singular values of a matrix of shape {shape}, which "
            f"has {min(shape)}; give the singular values, or the shape, of one matrix"
        )
    if not np.all(np.isfinite(values)) or (values < 0).any():
        raise ArgumentError(
            "evbmf: a singular value is negative or not finite; give what an SVD of a "
            "finite matrix returns"
        )
    if not len(values) or values[0] == 0:
        return values[:0]
    return np.asarray(values[values > max(shape) * _ROUNDING * values[0]])


@dataclass(frozen=True)
class _Problem:
    """Singular values in units of the largest, and the longer side of the matrix."""

    values: Vector
    columns: int

    @property
    def rows(self) -> int:
        """As many as there are singular values: zeros were rotated away."""
        return len(self.values)

    @property
    def ratio(self) -> float:
        """Rows over columns, at most 1: alpha."""
        return self.rows / self.columns

    @property
    def edge(self) -> float:
        """What a squared singular value, over columns * variance, must exceed."""
        tau = threshold(self.ratio)
        return (1 + tau) * (1 + self.ratio / tau)

    def tau(self, x: Vector) -> Vector:
        """The squared singular value less what noise adds to it; x from the edge on."""
        middle = x - (1 + self.ratio)
        return np.asarray((middle + np.sqrt(middle**2 - 4 * self.ratio)) / 2)

    def shrunk(self, variance: float) -> Vector:
        """The kept singular values after shrinkage."""
        unit = self.columns * variance
        kept = self.values[self.values**2 > unit * self.edge]
        return np.asarray(unit * self.tau(kept**2 / unit) / kept)

    def bounds(self) -> tuple[float, float]:
        """The noise variance lies between these."""
        squares, columns = self.values**2, self.columns
        kept = min(ceil(self.rows / (1 + self.ratio)) - 1, self.rows - 1)
        low = max(
            squares[kept] / (columns * self.edge), squares[kept:].mean() / columns
        )
        high = squares.sum() / (self.rows * columns)
        return float(low), float(high)

    def best_variance(self) -> float:
        """The noise variance of least free energy."""
        low, high = np.log(self.bounds())
        kinks = np.log(self.values**2 / (self.columns * self.edge))
        inside = kinks[(kinks > low) & (kinks < high)]
        ends = np.unique(np.concatenate([[low, high], inside]))
        starts, stops = ends[:-1], ends[1:]
        for _ in range(_HALVINGS):
            may = self._may_be_level(starts, stops)
            starts, stops = starts[may], stops[may]
            middle = (starts + stops) / 2
            starts = np.concatenate([starts, middle])
            stops = np.concatenate([middle, stops])
        found = np.unique(np.concatenate([[low, high], (starts + stops) / 2]))
        return float(np.exp(found[np.argmin(self._energies(found))]))

    def _may_be_level(self, starts: Vector, stops: Vector) -> NDArray[np.bool_]:
        """Which intervals may hold a point of zero slope; none has a kink inside."""
        may = np.empty(len(starts), bool)
        for at in self._blocks(len(starts)):
            kept = self._kept((starts[at] + stops[at]) / 2)
            falling, rising = self._slope_parts(starts[at], kept)
            least, most = self._slope_parts(stops[at], kept)
            may[at] = (falling + most >= self.rows) & (least + rising <= self.rows)
        return may

    def _kept(self, logs: Vector) -> NDArray[np.bool_]:
        """Which components (second axis) are kept at noise variances (first axis)."""
        unit = self.columns * np.exp(logs)[:, None]
        return np.asarray(self.values**2 > unit * self.edge)

    def _slope_parts(
        self, logs: Vector, kept: NDArray[np.bool_]
    ) -> tuple[Vector, Vector]:
        """The falling and the rising sum that the slope is the rows less."""
        x = self.values**2 / (self.columns * np.exp(logs)[:, None])
        tau = self.tau(np.maximum(x, self.edge))
        rising = np.where(kept, 1 + self.ratio + self.ratio / tau, 0.0).sum(1)
        return np.where(kept, 0.0, x).sum(1), rising

    def _energies(self, logs: Vector) -> Vector:
        """The free energy, times 2 over columns and up to a constant."""
        energies = np.empty(len(logs))
        for at in self._blocks(len(logs)):
            x = self.values**2 / (self.columns * np.exp(logs[at])[:, None])
            tau = self.tau(np.maximum(x, self.edge))
            gain = np.log1p(tau) + self.ratio * np.log1p(tau / self.ratio) - tau
            kept = np.where(x > self.edge, gain, 0.0).sum(1)
            energies[at] = self.rows * logs[at] + x.sum(1) + kept
        return energies

    def _blocks(self, count: int) -> list[slice]:
        size = max(1, _BLOCK // self.rows)
        return [slice(start, start + size) for start in range(0, count, size)]


@cache
def threshold(ratio: float) -> float:
    """The least signal, over the noise, that is kept: the root of the paper's equation.

    ``log(1 + t)/t + log(1 + t/ratio) ratio/t = 1``, for 0 < ratio <= 1: about
    ``2.5129 sqrt(ratio)`` near ratio 1, and up to a quarter more where it is small.

    >>> round(threshold(1.0), 4), round(threshold(0.01), 4)
    (2.5129, 0.2829)
    """

    def excess(t: float) -> float:
        return log1p(t) / t + log1p(t / ratio) * ratio / t - 1

    low, high = 2.5 * ratio, 2.52
    while True:
        middle = sqrt(low * high)
        if not low < middle < high:
            return middle
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
