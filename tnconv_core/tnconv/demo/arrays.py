"""Arrays of the library the demo runs on, to and from NumPy."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from tnconv.demo.filters import Array
from tnconv.errors import ArgumentError, MissingDependencyError

#: what --backend says: the library the arrays come from, and how to install it
LIBRARIES = {
    "numpy": ("numpy", "numpy"),
    "torch": ("torch", "torch"),
    "array_api": ("array_api_strict", "array-api-strict"),
}


def library(backend: str) -> Any:
    """The module whose arrays that backend runs on in the demo."""
    if backend not in LIBRARIES:
        raise ArgumentError(
            f"demo: backend {backend!r} is not one of {', '.join(LIBRARIES)}"
        )
    module, package = LIBRARIES[backend]
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"demo: backend {backend!r} needs {module}; pip install {package}"
        ) from error


def to_library(xp: Any, arrays: dict[str, Array]) -> dict[str, Any]:
    """The arrays as arrays of the library."""
    return {name: xp.asarray(array) for name, array in arrays.items()}


def to_numpy(array: Any) -> Array:
    """An array of any library as a NumPy array."""
    return np.asarray(np.from_dlpack(array))
