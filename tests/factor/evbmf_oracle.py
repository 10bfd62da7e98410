"""The free energy of EVBMF from its definition, one component at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from tnconv.factor.evbmf import threshold

Values = NDArray[np.float64]


def component(rows: int, columns: int, value: float, variance: float) -> float:
    """The least cost of keeping one singular value, by search over its posterior.

    Means a, b and variances sa, sb of its two vectors; the priors' variances
    ca = a^2/columns + sa and cb = b^2/rows + sb are their best values.
    Dropping it costs 0. A kept component lies near a*b = value.
    """

    def cost(v: Values) -> float:
        a, b, sa, sb = v[0], v[1], *np.exp(np.maximum(v[2:], -40.0))
        prior = columns * np.log1p(a * a / (columns * sa))
        prior += rows * np.log1p(b * b / (rows * sb))
        left, right = a * a + columns * sa, b * b + rows * sb
        return float(prior + (left * right - 2 * a * b * value) / variance)

    found = 0.0
    root = np.sqrt(value)
    for share in (0.3, 0.6, 0.9):
        for log in (-8.0, -5.0, -3.0):
            start = np.array([root * share, root * share, log, log])
            options = {
                "maxiter": 20_000,
                "maxfev": 20_000,
                "xatol": 1e-9,
                "fatol": 1e-11,
            }
            best = optimize.minimize(cost, start, method="Nelder-Mead", options=options)
            found = min(found, float(best.fun))
    return found


def free_energy(values: Values, columns: int, variance: float) -> float:
    """The whole free energy (times 2 over columns), written out."""
    rows, total = len(values), 0.0
    ratio = rows / columns
    tau_bar = threshold(ratio)
    edge = (1 + tau_bar) * (1 + ratio / tau_bar)
    for value in values:
        x = value**2 / (columns * variance)
        total += x
        if x > edge:
            half = x - (1 + ratio)
            tau = (half + np.sqrt(half**2 - 4 * ratio)) / 2
            total += np.log(tau + 1) + ratio * np.log(tau / ratio + 1) - tau
    return float(total + rows * np.log(variance))
