"""Finding backends and other plug-ins: entry points, or the built-in table without
them.

The built-ins are named by text here, so that a bare checkout works and importing tnconv
imports no array library.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from tnconv.errors import ArrayError, MissingDependencyError
from tnconv.execution.backend import Backend

#: group -> name -> "module:attribute"; the same as pyproject's entry points
BUILTIN: dict[str, dict[str, str]] = {
    "tnconv.backends": {
        "numpy": "tnconv_backends.numpy:NumPyBackend",
        "torch": "tnconv_backends.torch:TorchBackend",
        "array_api": "tnconv_backends.array_api:ArrayAPIBackend",
    },
    "tnconv.rules": {
        "standard": "tnconv_rules:STANDARD",
        "alternatives": "tnconv_rules:ALTERNATIVES",
    },
    "tnconv.forms": {"standard": "tnconv.planning.forms:FORMS"},
    "tnconv.operations": {},
}

#: the library a backend needs, and what to install for it
NEEDS = {"numpy": "numpy", "torch": "torch"}


@cache
def plugins(group: str) -> dict[str, Any]:
    """Everything registered in an entry-point group, built-ins first, not loaded."""
    found: dict[str, Any] = dict(BUILTIN[group])
    for entry in entry_points(group=group):
        if found.get(entry.name) != entry.value:
            if entry.name in BUILTIN[group]:
                continue  # a built-in is never replaced silently
            found[entry.name] = entry.value
    return found


@cache
def load(group: str, name: str) -> Any:
    """The object that a plug-in names."""
    module, _, attribute = plugins(group)[name].partition(":")
    return getattr(import_module(module), attribute)


@cache
def backend(name: str) -> Backend:
    """The backend of that name."""
    if name not in plugins("tnconv.backends"):
        known = ", ".join(sorted(plugins("tnconv.backends")))
        raise ArrayError(f"backend {name!r} is not known; there are: {known}")
    try:
        found: Backend = load("tnconv.backends", name)()
    except ImportError as error:
        raise MissingDependencyError(
            f"backend {name!r} needs a library that is not installed ({error}); "
            f'install it with: pip install "tnconv[{name}]"'
        ) from error
    return found


@cache
def backend_for(kind: Any) -> Backend:
    """The backend for arrays of a type; libraries that are not loaded are not asked."""
    names = [n for n in plugins("tnconv.backends") if n != "array_api"]
    for name in (*names, "array_api"):
        if NEEDS.get(name, "sys") not in sys.modules:
            continue
        candidate = backend(name)
        if candidate.accepts(kind):
            return candidate
    name = getattr(kind, "__qualname__", kind)
    raise ArrayError(
        f"{getattr(kind, '__module__', '')}.{name} is not an array of a known library; "
        "pass arrays of NumPy, PyTorch, CuPy, JAX or any library that follows the "
        "Python array API standard"
    )
