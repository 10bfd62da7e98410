"""Who takes part: one file each, named here.

A contestant is a module with ``NAME``, ``TIMED`` (what is inside the clock),
``LIBRARY`` ("numpy", "torch", or "" for that of the run), ``NEEDS`` (the distributions
to install) and ``BUILDS``: a function for each kind of contraction it offers (see
:mod:`benchmarks.cases`), from a case to a call without arguments. A function raises
:class:`~benchmarks.cases.Cannot` where it cannot do a case.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.cases import Cannot, Case

HERE = "benchmarks.contestants"

#: backend -> parties, ours first. A party has a process of its own: the thread pools of
#: NumPy's and PyTorch's libraries spin after a call for a while, at the other's cost
GROUPS: dict[str, tuple[tuple[str, ...], ...]] = {
    "torch": (
        (
            "ours",
            "native",
            "unfold",
            "einconv",
            "unfoldnd",
            "vmap",
            "dense",
            "tensorgrad",
        ),
    ),
    "numpy": (("ours", "windows", "offsets"), ("native", "unfold")),
    "cupy": (("ours", "windows", "offsets"), ("native", "unfold")),
}

#: ours, as it is called in every record
OURS = "tnconv"
#: the name under which the reference is timed a second time
AGAIN = "again"
#: the recipes of NumPy and CuPy are not to be compared with a framework: it is shown
SHOWN_ONLY = {
    "torch": (),
    "numpy": ("torch", "torch unfold"),
    "cupy": ("torch", "torch unfold"),
}


def modules(backend: str, party: int | None = None) -> dict[str, Any]:
    """The contestants of a backend, or of one of its parties, by name."""
    parties = GROUPS[backend]
    chosen = parties if party is None else parties[party : party + 1]
    found = (import_module(f"{HERE}.{name}") for names in chosen for name in names)
    return {module.NAME: module for module in found}


def reference(operation: str, backend: str) -> str:
    """Who is timed twice: PyTorch's operator, or the recipe where there is none."""
    if backend != "torch":
        return "offsets"
    own = operation in ("forward", "input-vjp", "weight-vjp")
    return "torch" if own else "torch unfold"


def build(module: Any, case: Case) -> Callable[[], Any]:
    """The call of one contestant; raises :class:`Cannot` with the reason."""
    for name in module.NEEDS:
        try:
            version(name)
        except PackageNotFoundError:
            raise Cannot(f"{name} is not installed") from None
    if case.kind not in module.BUILDS:
        raise Cannot("does not offer this operation")
    prepared: Callable[[], Any] = module.BUILDS[case.kind](case)
    return prepared
