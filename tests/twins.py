"""Arrays and plans for tests of symmetric results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tnconv
from tnconv.network import Network

BACKENDS = ("numpy", "torch")
FORMS = ["window", "half"]


def array(name: str, value: np.ndarray) -> Any:
    if name == "numpy":
        return value
    return pytest.importorskip("torch").from_numpy(value)


def drawn(shape: tuple[int, ...], dtype: str = "float64", seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).integers(-3, 4, shape)).astype(dtype)


def planned(network: Network, name: str, forms: list[str]) -> Any:
    """With these forms alone, and no rival network that others might contract."""
    return tnconv.expression(
        network, backend=name, dtype="float64", forms=forms, alternatives=False
    )
