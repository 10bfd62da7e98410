"""The arrays that fits work on: float64, of the caller's library where it has them.

NumPy, PyTorch and CuPy arrays are fitted where they are, in float64. Arrays of any
other library, and of devices without float64, are copied to the host once, fitted with
NumPy, and the factors are arrays of that library, dtype and device again. Every factor
is rounded to the weight's dtype once, at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import array_api_compat as compat
import array_api_compat.numpy as host
import numpy as np

from tnconv.errors import ArgumentError, ArrayError

Array = Any


@dataclass(frozen=True)
class Held:
    """A weight in float64, the namespace of that array, and the caller's array."""

    xp: Any
    values: Array
    given: Array

    def back(self, array: Array) -> Array:
        """An array as one of the caller's library, dtype and device, in row-major
        memory: a call that reads it otherwise would copy it each time."""
        xp = compat.array_namespace(self.given)
        if xp is self.xp:
            found = xp.astype(array, self.given.dtype)
        else:
            device = compat.device(self.given)
            found = xp.asarray(array, dtype=self.given.dtype, device=device)
        return xp.reshape(xp.reshape(found, (-1,)), found.shape)


def hold(operation: str, name: str, array: Array) -> Held:
    """Take an array of real floats; refuse any other, and what is not finite."""
    try:
        xp = compat.array_namespace(array)
    except TypeError as error:
        raise ArrayError(
            f"{operation}: {name} is a {type(array).__name__}; give an array of NumPy, "
            "PyTorch, JAX, CuPy or another library that follows the array API standard"
        ) from error
    if not _is_real(xp, array.dtype):
        raise ArrayError(
            f"{operation}: {name} has dtype {array.dtype}, and factors are real "
            "floats; convert it to a real floating dtype first"
        )
    found = _held(xp, array)
    if not bool(found.xp.all(found.xp.isfinite(found.values))):
        raise ArgumentError(
            f"{operation}: {name} holds NaN or infinite values, and no factors are "
            "near them; give finite values"
        )
    return found


def _is_real(xp: Any, dtype: Any) -> bool:
    if "bfloat16" in str(dtype):  # JAX's namespace does not count it as floating
        return True
    return bool(xp.isdtype(dtype, "real floating"))


def _held(xp: Any, array: Array) -> Held:
    detached = array.detach() if hasattr(array, "detach") else array
    known = compat.is_numpy_array, compat.is_torch_array, compat.is_cupy_array
    if any(check(array) for check in known) and "mps" not in str(compat.device(array)):
        return Held(xp, xp.astype(detached, xp.float64), array)
    if hasattr(detached, "cpu"):
        detached = detached.cpu()
    return Held(host, np.asarray(detached).astype(np.float64), array)


def alike(held: Held, operation: str, name: str, array: Array) -> Array:
    """Another array of the call, where the weight is fitted."""
    other = hold(operation, name, array)
    if other.xp is not held.xp or compat.device(other.values) != compat.device(
        held.values
    ):
        raise ArrayError(
            f"{operation}: {name} is an array of {other.xp.__name__} on "
            f"{compat.device(other.values)}, the weight is fitted in "
            f"{held.xp.__name__} on {compat.device(held.values)}; give both of one "
            "library, on one device"
        )
    return other.values


def normal(held: Held, shape: Sequence[int], seed: int) -> Array:
    """Normal values: the same for the same seed on every library."""
    values = np.random.default_rng(seed).standard_normal(tuple(shape))
    device = compat.device(held.values)
    return held.xp.asarray(values, dtype=held.xp.float64, device=device)
