"""Whether two plans gave the same result, as far as their arithmetic can."""

from __future__ import annotations

from typing import Any

#: the largest difference between results of two plans, as a share of the largest value
CLOSE = {"float16": 5e-2, "bfloat16": 2e-1, "float32": 2e-3, "complex64": 2e-3}


def alike(one: Any, other: Any, dtype: str) -> bool:
    """Whether two arrays differ by no more than a share of the largest value.

    >>> import numpy as np
    >>> alike(np.ones(3), np.ones(3) + 1e-9, "float64")
    True
    """
    if tuple(one.shape) != tuple(other.shape):
        return False
    if 0 in one.shape:
        return True
    share = CLOSE.get(dtype, 1e-6)
    return bool(abs(one - other).max() <= share * abs(one).max() + 1e-6)
