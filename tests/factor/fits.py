"""Inputs and kinds of layers that tests of fits share."""

from typing import Any

import numpy as np

#: groups, and whether the layer is transposed
CASES = [(1, False), (2, False), (2, True)]


def correlated(*shape: int, seed: int = 0) -> Any:
    """Inputs whose channels and neighbors go together, as behind a trained layer."""
    rng = np.random.default_rng(seed)
    mix = rng.standard_normal((shape[1], shape[1])) / np.arange(1, shape[1] + 1) ** 1.5
    x = np.einsum("ij,nj...->ni...", mix, rng.standard_normal(shape))
    return np.maximum(x + 0.7 * np.roll(x, 1, -1), 0)
