"""Calls and ways to contract them, for tests of what happens to numbers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tnconv

Array = NDArray[Any]
Call = Callable[[Any, Any, Any, Any], Any]
HYPER: dict[str, Any] = {"stride": 2, "padding": 1}
#: functions of a module, an input, a weight and a cotangent
CALLS: dict[str, Call] = {
    "conv": lambda m, x, w, y: m.conv(x, w, **HYPER),
    "conv_input_vjp": lambda m, x, w, y: m.conv_input_vjp(w, y, 9, **HYPER),
    "conv_weight_vjp": lambda m, x, w, y: m.conv_weight_vjp(x, y, (3,), **HYPER),
    "conv_transpose": lambda m, x, w, y: m.conv_transpose(y, w, **HYPER),
    "unfold": lambda m, x, w, y: m.unfold(x, (3,), **HYPER),
}
MOVES = ("window", "fold", "gather")
#: what each way to contract needs
WAYS = {
    "multiply": (*MOVES, "multiply"),
    "gemm": (*MOVES, "gemm", "multiply"),
    "taps": (*MOVES, "taps", "multiply"),
    "constant": ("constant", "gather", "multiply"),
    "constant, gemm": ("constant", "gather", "gemm", "multiply"),
}
by_call = pytest.mark.parametrize("name", CALLS)
by_way = pytest.mark.parametrize("way", WAYS)


@contextmanager
def only(*names: str) -> Iterator[None]:
    """Plans made of these forms and no other."""
    with tnconv.options(forms=names):
        yield


def numbers(dtype: str, low: int, high: int, seed: int = 0) -> tuple[Array, ...]:
    """An input, a weight and a cotangent of integers between two bounds."""
    rng = np.random.default_rng(seed)
    shapes = ((2, 3, 9), (4, 3, 3), (2, 4, 5))
    return tuple(rng.integers(low, high, s).astype(dtype) for s in shapes)
