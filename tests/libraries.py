"""The array libraries the tests run on: how to make an array there and read it back."""

import importlib
import importlib.util
from contextlib import suppress
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
    device: str = ""

    def __str__(self) -> str:
        return "-".join(filter(None, (self.name, self.device)))

    @property
    def module(self) -> Any:
        """The library; the test is skipped where it is not installed."""
        return pytest.importorskip(self.name)

    def array(self, values: Array, dtype: str) -> Any:
        """``values`` as an array of this library."""
        module = self.module
        if self.name == "torch":
            tensor = module.as_tensor(np.array(values), device=self.device or None)
            return tensor.to(getattr(module, dtype))
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
        assert not self.device or array.device.type == self.device

    def values(self, array: Any) -> Array:
        """A result as a NumPy array (bfloat16 widened)."""
        if self.name == "torch":
            module = self.module
            wide = array.float() if array.dtype == module.bfloat16 else array
            return np.asarray(wide.detach().cpu().numpy())
        if self.name == "cupy":
            return np.asarray(array.get())
        return np.asarray(array)


COMMON = ("float32", "complex64", "complex128", "int64")
NUMPY = Library("numpy", (*COMMON, "float16", "int32"))
TORCH = Library("torch", (*COMMON, "float16", "bfloat16", "int32"))
STRICT = Library("array_api_strict", COMMON)


def installed(name: str) -> bool:
    """Whether a library can be imported."""
    return importlib.util.find_spec(name) is not None


def on_devices() -> tuple[Library, ...]:
    """The libraries of arrays on a GPU, where there is one."""
    found = []
    if installed("torch") and importlib.import_module("torch").cuda.is_available():
        found.append(Library("torch", TORCH.dtypes, "cuda"))
    if installed("cupy"):
        with suppress(RuntimeError):  # a driver that does not work
            if importlib.import_module("cupy").is_available():
                found.append(Library("cupy", NUMPY.dtypes))
    return tuple(found)


LIBRARIES = (NUMPY, TORCH, STRICT, *on_devices())
