"""What makes a network well formed; errors name the operand and the label."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tnconv.errors import NetworkError

if TYPE_CHECKING:
    from tnconv.network import Network, Operand

#: the legs of a pattern, in the order of its labels
LEGS = ("input", "output", "kernel")


def check_network(network: Network) -> None:
    """Raise :class:`NetworkError` where the network is not well formed."""
    sizes = network.sizes
    for label, size in sizes.items():
        if not isinstance(size, int) or size < 0:
            raise NetworkError(f"network: label {label!r} has size {size!r}")
    for j, operand in enumerate(network.operands):
        _check_operand(operand, j, sizes)
    for axis in network.output:
        _check_labels(axis.labels, sizes, lambda: "the output")
    _check_shapes(network)


def describe(operand: Operand) -> str:
    """A few words that name an operand in a message."""
    from tnconv.network import Input, Pattern, Reindex

    if isinstance(operand, Input):
        return f"input {operand.name!r}"
    if isinstance(operand, Pattern):
        return f"pattern {operand.input} ~ {operand.output}, {operand.kernel}"
    if isinstance(operand, Reindex):
        return f"reindexing {operand.output} -> {operand.input}"
    return "sub-network"


def _check_operand(operand: Operand, j: int, sizes: Mapping[str, int]) -> None:
    from tnconv.network import Pattern, Reindex, SubNetwork

    def where() -> str:
        return f"operand {j} ({describe(operand)})"

    labels = operand.labels
    _check_labels(labels, sizes, where)
    if isinstance(operand, (Pattern, Reindex)):
        record = operand.index if isinstance(operand, Pattern) else operand.map
        if len(set(labels)) != len(labels):
            raise NetworkError(f"{where()}: one label on two legs")
        for leg, label in zip(LEGS, labels, strict=False):
            if getattr(record, leg) != sizes[label]:
                raise NetworkError(
                    f"{where()}: its {leg} leg {label!r} has size "
                    f"{getattr(record, leg)}, the label {sizes[label]}"
                )
    elif isinstance(operand, SubNetwork):
        inner = operand.network.shape
        outer = tuple(axis.size for axis in operand.axes)
        if inner != outer:
            raise NetworkError(
                f"{where()}: its result is {inner}, its axes say {outer}"
            )


def _check_labels(
    labels: tuple[str, ...], sizes: Mapping[str, int], where: Callable[[], str]
) -> None:
    for label in labels:
        if label not in sizes or not label:
            if not isinstance(label, str) or not label:
                said = f"{label!r} is not a label (a non-empty text)"
                raise NetworkError(f"{where()}: {said}")
            raise NetworkError(f"{where()}: label {label!r} has no size")


def _check_shapes(network: Network) -> None:
    from tnconv.network import Input, SubNetwork

    shapes: dict[str, tuple[int, ...]] = {}
    for operand in network.operands:
        if isinstance(operand, Input):
            found = {operand.name: operand.shape}
        elif isinstance(operand, SubNetwork):
            found = dict(operand.network.arguments)
        else:
            continue
        for name, shape in found.items():
            if shapes.setdefault(name, shape) != shape:
                raise NetworkError(
                    f"network: input {name!r} has shapes {shapes[name]} and {shape}"
                )
