"""NumPy by hand: sliding windows and tensordot or einsum."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import recipes
from benchmarks.cases import Case
from benchmarks.contestants.guards import unfolded_guard

NAME = "windows"
TIMED = "the function of `benchmarks/recipes.py` for the operation"
LIBRARY = ""
NEEDS = ("numpy",)


def build(case: Case) -> Callable[[], Any]:
    """The recipe of the case's kind."""
    unfolded_guard(case)
    return partial(recipes.WINDOWS[case.kind], case)


BUILDS = dict.fromkeys(recipes.WINDOWS, build)
