"""Arrays to measure with, made by the library itself."""

from __future__ import annotations

from math import prod
from typing import Any

from tnconv.execution.backend import Place
from tnconv.execution.program import Shape

#: primes: the period of the values, and what spreads them
PERIOD, SPREAD = 1009, 389


def sample(xp: Any, place: Place, shape: Shape, seed: int) -> Any:
    """An array of varied values between -1/2 and 1/2, or of -3 to 3 for integers.

    The same for the same seed in every library, made from the standard's functions.
    """
    count, dtype = prod(shape), getattr(xp, place.dtype)
    steps = xp.arange(PERIOD, device=place.device)
    values = xp.remainder(steps * SPREAD + 17 * seed * SPREAD, PERIOD)
    if xp.isdtype(dtype, "integral"):
        period = xp.astype(xp.remainder(values, 7) - 3, dtype)
    else:
        period = xp.astype(xp.astype(values, xp.float32) / PERIOD - 0.5, dtype)
    times = -(-count // PERIOD)
    repeated = xp.reshape(xp.broadcast_to(period, (times, PERIOD)), (-1,))
    return xp.reshape(xp.asarray(repeated[:count], copy=True), shape)
