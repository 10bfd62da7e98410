"""The array libraries the tests run on: how to make an array there and read it back."""

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Library:
    """A library by name, and the dtypes its arrays are tested with."""

    name: str
    dtypes: tuple[str, ...]

    @property
    def module(self) -> Any:
        """The library; the test is skipped where it is not installed."""
        return pytest.importorskip(self.name)

    def array(self, values: Array, dtype: str) -> Any:
        """``values`` as an array of this library."""
        module = self.module
        if self.name == "torch":
            return module.as_tensor(np.array(values)).to(getattr(module, dtype))
        return module.asarray(np.array(values, dtype=dtype))

    def check(self, array: Any, dtype: str) -> None:
        """Assert that a result is an array of this library and dtype."""
        kind = self.module.Tensor if self.name == "torch" else None
        if self.name == "numpy":
            kind = np.ndarray
        if kind is not None:
            assert isinstance(array, kind)
        else:
            assert type(array).__module__.split(".")[0] == self.name
        assert array.dtype == getattr(self.module, dtype)

    def values(self, array: Any) -> Array:
        """A result as a NumPy array (bfloat16 widened)."""
        if self.name == "torch":
            module = self.module
            wide = array.float() if array.dtype == module.bfloat16 else array
            return np.asarray(wide.detach().cpu().numpy())
        return np.asarray(array)


COMMON = ("float32", "complex64", "complex128", "int64")
NUMPY = Library("numpy", (*COMMON, "float16", "int32"))
TORCH = Library("torch", (*COMMON, "float16", "bfloat16", "int32"))
STRICT = Library("array_api_strict", COMMON)
LIBRARIES = (NUMPY, TORCH, STRICT)


def installed(name: str) -> bool:
    """Whether a library can be imported."""
    return importlib.util.find_spec(name) is not None
