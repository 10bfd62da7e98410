"""A plug-in of every kind: a backend for boxes, a rule, a form and an operation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tnconv
from tnconv.execution.backend import Place
from tnconv.execution.program import Program
from tnconv.execution.registry import backend
from tnconv.network import Network, Pattern
from tnconv.planning.forms.views import WINDOW
from tnconv.planning.machine import Machine
from tnconv.rewrite import Rule


@dataclass(frozen=True)
class Box:
    """An array type of our own."""

    inside: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.inside.shape


class BoxBackend:
    """Boxes are computed with as what is inside them."""

    name = "boxes"
    windows = True
    native_convolution = False
    in_place = True
    autodiff = False

    def accepts(self, kind: type) -> bool:
        return issubclass(kind, Box)

    def place(self, array: Box) -> Place:
        return Place(self.name, "boxes", array.inside.dtype.name, "shelf")

    def machine(self, place: Place) -> Machine:
        return Machine("boxes")

    def compile(self, program: Program, place: Place) -> Callable[[Sequence[Box]], Box]:
        numpy = backend("numpy")
        inner = numpy.place(np.empty(0, place.dtype))
        run = numpy.compile(program, inner)
        return lambda boxes: Box(run([box.inside for box in boxes]))

    def call(
        self, run: Callable[[Sequence[Box]], Box], job: Any, arrays: Sequence[Box]
    ) -> Box:
        return run(arrays)


def patterns_last(network: Network) -> Network | None:
    """Move the patterns behind the arrays, or None where they are there."""
    first = [op for op in network.operands if not isinstance(op, Pattern)]
    last = [op for op in network.operands if isinstance(op, Pattern)]
    if network.operands == (*first, *last):
        return None
    return replace(network, operands=(*first, *last))


RULES = (Rule("patterns last", "order", patterns_last, "Patterns after arrays."),)

#: a window by another name, so that it can be asked for alone
SLIDING = replace(WINDOW, name="sliding", describe=lambda site, variant: "sliding")


def moving_sum(x: Any, width: int) -> Any:
    """Sum ``width`` neighbors along the last of three axes."""
    return tnconv.contract("n c i, i ~ o + k -> n c o", x, sizes={"k": width})


def intruder(*arguments: Any, **keywords: Any) -> Any:
    """Registered under built-in names, which it must not take."""
    raise AssertionError("a built-in was replaced")
