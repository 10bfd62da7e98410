"""What makes a network well formed; errors name the operand and the label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tnconv.errors import NetworkError

if TYPE_CHECKING:
    from tnconv.network import Network, Operand


def check_network(network: Network) -> None:
    """Raise :class:`NetworkError` where the network is not well formed."""
    sizes = dict(network.label_sizes)
    for label, size in sizes.items():
        if not isinstance(size, int) or size < 0:
            raise NetworkError(f"network: label {label!r} has size {size!r}")
    for j, operand in enumerate(network.operands):
        _check_operand(operand, f"operand {j} ({describe(operand)})", sizes)
    for axis in network.output:
        _check_labels(axis.labels, "the output", sizes)
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


def _check_operand(operand: Operand, where: str, sizes: dict[str, int]) -> None:
    from tnconv.network import Pattern, Reindex, SubNetwork

    _check_labels(operand.labels, where, sizes)
    if isinstance(operand, (Pattern, Reindex)):
        legs = ("input", "output", "kernel")[: len(operand.labels)]
        record = operand.index if isinstance(operand, Pattern) else operand.map
        if len(set(operand.labels)) != len(operand.labels):
            raise NetworkError(f"{where}: one label on two legs")
        for leg, label in zip(legs, operand.labels, strict=True):
            if getattr(record, leg) != sizes[label]:
                raise NetworkError(
                    f"{where}: its {leg} leg {label!r} has size {getattr(record, leg)}"
                    f", the label {sizes[label]}"
                )
    elif isinstance(operand, SubNetwork):
        inner = operand.network.shape
        outer = tuple(axis.size for axis in operand.axes)
        if inner != outer:
            raise NetworkError(f"{where}: its result is {inner}, its axes say {outer}")


def _check_labels(labels: tuple[str, ...], where: str, sizes: dict[str, int]) -> None:
    for label in labels:
        if not isinstance(label, str) or not label:
            raise NetworkError(f"{where}: {label!r} is not a label (a non-empty text)")
        if label not in sizes:
            raise NetworkError(f"{where}: label {label!r} has no size")


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
