"""What steps allocate beside their results, as far as the libraries are known."""

from __future__ import annotations

from collections.abc import Callable

from tnconv.execution.program import (
    AddInto,
    Gram,
    Matmul,
    MultiplySum,
    Native,
    Shape,
    Spectral,
    Step,
    size_of,
)
from tnconv.execution.ways import product_of
from tnconv.planning.elementwise import multiply_elements
from tnconv.planning.machine import Machine
from tnconv.planning.series import spectra_bytes


def workspace(machine: Machine, itemsize: int) -> Callable[[Step, list[Shape]], int]:
    """Bytes that a step allocates beside its result, as a function of the step."""

    def of(step: Step, sources: list[Shape]) -> int:
        if isinstance(step, MultiplySum):
            return multiply_elements(product_of(step, sources), machine) * itemsize
        if isinstance(step, Spectral):
            return 2 * sum(spectra_bytes(step, sources, itemsize))
        if isinstance(step, Native):
            # arrays are packed; threads add up results of their own
            copies = 2 if step.convolution.role == "weight" else 1
            packed = sum(map(size_of, sources)) + copies * size_of(step.shape)
            return packed * itemsize
        if isinstance(step, (Matmul, Gram)) and step.scale != 1:
            # the smallest of operands and result is scaled; a result is in place
            least = min(map(size_of, sources))
            return least * itemsize if size_of(step.shape) >= least else 0
        if isinstance(step, AddInto) and not machine.strided:
            return 2 * size_of(step.shape) * itemsize
        return 0

    return of
