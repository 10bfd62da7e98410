"""NumPy by hand: a loop over kernel positions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import recipes
from benchmarks.cases import Case

NAME = "offsets"
TIMED = "the function of `benchmarks/recipes.py` for the operation"
LIBRARY = ""
NEEDS = ("numpy",)


def build(case: Case) -> Callable[[], Any]:
    """The recipe of the case's kind."""

    return partial(recipes.OFFSETS[case.kind], case)


BUILDS = dict.fromkeys(recipes.OFFSETS, build)
