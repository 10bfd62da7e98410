"""The labeled tensor network: operands, an output and label sizes, as one value.

A network means one sum. Over every assignment of values to its labels that satisfies
all patterns and reindexings,

    out[positions] += scale * product of input_t[positions_t]

where the positions of each axis are affine in the labels (see
:class:`tnconv.axis.Axis`). A label on more than two operands is a hyper-edge; a label
on two output axes writes a diagonal; a label only on the output broadcasts. Nothing
here touches an array.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import count

from tnconv.axis import Axis
from tnconv.errors import NetworkError
from tnconv.pattern import IndexPattern
from tnconv.reindex import IndexMap


@dataclass(frozen=True, slots=True)
class Input:
    """An array of the caller. Two inputs of one name read the same array."""

    name: str
    axes: tuple[Axis, ...]
    conjugate: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of all axes, each once, in order."""
        return _labels_of(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return tuple(axis.size for axis in self.axes)


@dataclass(frozen=True, slots=True)
class Pattern:
    """An index pattern on three labels."""

    index: IndexPattern
    input: str
    output: str
    kernel: str

    @property
    def labels(self) -> tuple[str, ...]:
        """Input, output and kernel label."""
        return (self.input, self.output, self.kernel)


@dataclass(frozen=True, slots=True)
class Reindex:
    """A padding mode between an input label and a padded label."""

    map: IndexMap
    input: str
    output: str

    @property
    def labels(self) -> tuple[str, ...]:
        """Input and padded label."""
        return (self.input, self.output)


@dataclass(frozen=True, slots=True)
class SubNetwork:
    """A network in an operand's place: its output is read through ``axes``."""

    network: Network
    axes: tuple[Axis, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of all axes, each once, in order."""
        return _labels_of(self.axes)


Operand = Input | Pattern | Reindex | SubNetwork


@dataclass(frozen=True)
class Network:
    """Operands, an output, and the size of every label; immutable and hashable."""

    operands: tuple[Operand, ...]
    output: tuple[Axis, ...]
    label_sizes: tuple[tuple[str, int], ...]
    scale: Fraction = field(default=Fraction(1))

    def __post_init__(self) -> None:
        from tnconv.validate import check_network

        check_network(self)

    @classmethod
    def build(
        cls,
        operands: Iterable[Operand],
        output: Iterable[Axis],
        sizes: Mapping[str, int],
        scale: Fraction | int = 1,
    ) -> Network:
        """A network from its parts; sizes of labels that do not occur are left out."""
        operands, output = tuple(operands), tuple(output)
        used = _used_labels(operands, output)
        kept = tuple(sorted([(a, sizes[a]) for a in used if a in sizes]))
        return cls(operands, output, kept, Fraction(scale))

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """The size of every label."""
        return dict(self.label_sizes)

    @cached_property
    def _is_tidy(self) -> bool:
        """Whether every label stands somewhere, in the order of the alphabet."""
        used = _used_labels(self.operands, self.output)
        return self.label_sizes == tuple(sorted([(a, self.sizes[a]) for a in used]))

    @cached_property
    def _hash(self) -> int:
        return hash((self.operands, self.output, self.label_sizes, self.scale))

    def __hash__(self) -> int:
        return self._hash

    # ---- questions

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The input operands, sub-networks not entered."""
        return tuple(op for op in self.operands if isinstance(op, Input))

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """The index patterns, sub-networks not entered."""
        return tuple(op for op in self.operands if isinstance(op, Pattern))

    @cached_property
    def arguments(self) -> Mapping[str, tuple[int, ...]]:
        """Name and shape of every array the network needs, in order of appearance."""
        found: dict[str, tuple[int, ...]] = {}
        for op in self.operands:
            if isinstance(op, Input):
                found.setdefault(op.name, op.shape)
            elif isinstance(op, SubNetwork):
                for name, shape in op.network.arguments.items():
                    found.setdefault(name, shape)
        return found

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        return tuple(axis.size for axis in self.output)

    @property
    def output_labels(self) -> tuple[str, ...]:
        """The labels of the output axes, each once, in order."""
        return _labels_of(self.output)

    def holders(self, label: str) -> tuple[int, ...]:
        """Which operands (by position) carry ``label``."""
        return tuple(j for j, op in enumerate(self.operands) if label in op.labels)

    def occurs_only_in(self, label: str, index: int) -> bool:
        """Whether ``label`` occurs on that operand and nowhere else."""
        return self.holders(label) == (index,) and label not in self.output_labels

    def fresh(self, label: str) -> str:
        """A label that does not occur yet, made from ``label``."""
        return numbered(label, self.sizes) if label in self.sizes else label

    def __str__(self) -> str:
        from tnconv.notation import to_text

        return to_text(self)

    # ---- small changes

    def with_operands(
        self, operands: Iterable[Operand], output: Iterable[Axis] | None = None
    ) -> Network:
        """The same network with other operands, and another output if given.

        Scaled by the sizes of labels that stand nowhere any more: the sum over them
        stays a sum.
        """
        operands = tuple(operands)
        output = self.output if output is None else tuple(output)
        scale = self.scale
        used = _used_labels(operands, output)
        for label, size in self.label_sizes:
            if label not in used:
                scale *= size
        return Network.build(operands, output, self.sizes, scale)

    def without(self, *indices: int) -> Network:
        """The network less some operands; labels that stand nowhere become a factor."""
        if not indices and self._is_tidy:
            return self
        return self.with_operands(
            op for j, op in enumerate(self.operands) if j not in indices
        )

    def rename(self, names: Mapping[str, str]) -> Network:
        """The same network with other label names."""
        sizes = {names.get(label, label): size for label, size in self.label_sizes}
        if len(sizes) != len(self.label_sizes):
            raise NetworkError(f"rename: {dict(names)} would merge two labels")
        return Network.build(
            (rename_operand(op, names) for op in self.operands),
            (axis.rename(names) for axis in self.output),
            sizes,
            self.scale,
        )

    def canonical(self) -> Network:
        """The same network with labels named by order of first appearance."""
        order: dict[str, str] = {}
        for label in _walk_labels(self.operands, self.output):
            order.setdefault(label, f"l{len(order)}")
        return self.rename(order)


def numbered(label: str, taken: Container[str]) -> str:
    """``label`` with the first number, from 2 on, that is not taken."""
    stem, _, number = label.rpartition("_")
    stem = stem if stem and number.isdigit() else label
    return next(a for n in count(2) if (a := f"{stem}_{n}") not in taken)


def rename_operand(operand: Operand, names: Mapping[str, str]) -> Operand:
    """One operand with other label names."""
    if isinstance(operand, (Input, SubNetwork)):
        return replace(operand, axes=tuple(axis.rename(names) for axis in operand.axes))
    new = {
        leg: names.get(getattr(operand, leg), getattr(operand, leg))
        for leg in ("input", "output")
    }
    if isinstance(operand, Reindex):
        return replace(operand, **new)
    return replace(operand, **new, kernel=names.get(operand.kernel, operand.kernel))


def _labels_of(axes: tuple[Axis, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([label for axis in axes for label, _ in axis.terms]))


def _walk_labels(operands: Iterable[Operand], output: Iterable[Axis]) -> list[str]:
    found: list[str] = []
    for operand in operands:
        found += operand.labels
    for axis in output:
        found += axis.labels
    return found


def _used_labels(operands: Iterable[Operand], output: Iterable[Axis]) -> set[str]:
    return set(_walk_labels(operands, output))
