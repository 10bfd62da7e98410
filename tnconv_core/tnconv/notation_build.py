"""From the tree of a text to a network: find every size, then build the operands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from tnconv.axis import Axis
from tnconv.errors import TnconvError
from tnconv.network import Input, Network, Operand, Pattern, Reindex, SubNetwork
from tnconv.notation_printer import implied_kernel
from tnconv.notation_tree import (
    AxisText,
    InputText,
    NetworkText,
    OperandText,
    PatternText,
    ReindexText,
    SubText,
    fail,
)
from tnconv.pattern import IndexPattern
from tnconv.reindex import MODES, IndexMap, Piece

Shape = tuple[int, ...]


def shapes_by_name(
    body: NetworkText, text: str, shapes: Mapping[str, Shape] | Sequence[Shape] | None
) -> dict[str, Shape]:
    """The shapes of the inputs, whichever way they were given."""
    names = dict.fromkeys(op.name for op in _inputs(body))
    if shapes is None:
        return {}
    if isinstance(shapes, Mapping):
        return {name: tuple(shape) for name, shape in shapes.items()}
    if len(shapes) != len(names):
        fail(text, 0, f"the text has {len(names)} arrays, got {len(shapes)} shapes")
    return {name: tuple(shape) for name, shape in zip(names, shapes, strict=True)}


def build_network(
    body: NetworkText, text: str, sizes: Mapping[str, int], shapes: Mapping[str, Shape]
) -> Network:
    """The network of a tree; ``sizes`` are the caller's, ``shapes`` those of inputs."""
    known = {a: n for a, n in sizes.items() if a in body.places}
    builder = _Builder(body, text, shapes, {**known, **body.sizes})
    return builder.network()


def _inputs(body: NetworkText) -> Iterator[InputText]:
    for op in body.operands:
        if isinstance(op, InputText):
            yield op
        elif isinstance(op, SubText):
            yield from _inputs(op.body)


@dataclass
class _Builder:
    body: NetworkText
    text: str
    shapes: Mapping[str, Shape]
    sizes: dict[str, int]

    def network(self) -> Network:
        inner = {
            j: build_network(op.body, self.text, {}, self.shapes)
            for j, op in enumerate(self.body.operands)
            if isinstance(op, SubText)
        }
        kernels = self._kernels()
        self._find_sizes({j: network.shape for j, network in inner.items()})
        operands = [
            self._operand(j, op, inner, kernels)
            for j, op in enumerate(self.body.operands)
        ]
        output = [self._axis(axis, None) for axis in self.body.output]
        return Network.build(operands, output, self.sizes, self.body.scale)

    def _kernels(self) -> dict[int, str]:
        """The labels of kernels the text leaves out, by operand."""
        found: dict[int, str] = {}
        for j, op in enumerate(self.body.operands):
            if isinstance(op, PatternText) and op.kernel is None:
                label = implied_kernel(op.output[0])
                while label in self.body.places or label in self.sizes:
                    label += "'"
                self.sizes[label] = 1
                found[j] = label
        return found

    # ---- sizes

    def _find_sizes(self, inner: Mapping[int, Shape]) -> None:
        """Go round until nothing new is found, then name the first label without."""
        before = -1
        while len(self.sizes) > before:
            before = len(self.sizes)
            for j, op in enumerate(self.body.operands):
                if isinstance(op, PatternText):
                    self._from_pattern(op)
                elif isinstance(op, ReindexText):
                    self._from_reindex(op)
                else:
                    self._from_axes(op, self._shape(j, op, inner))
        derived = {
            op.output[0] for op in self.body.operands if isinstance(op, PatternText)
        }
        missing = [label for label in self.body.places if label not in self.sizes]
        for label in sorted(missing, key=lambda label: label in derived):
            fail(
                self.text,
                self.body.places[label],
                f"label {label!r} has no size; give a shape with it, or "
                f"sizes={{{label!r}: ...}}",
            )

    def _shape(
        self, j: int, op: InputText | SubText, inner: Mapping[int, Shape]
    ) -> Shape | None:
        shape = inner[j] if isinstance(op, SubText) else self.shapes.get(op.name)
        if shape is not None and len(shape) != len(op.axes):
            what = f"input {op.name!r}" if isinstance(op, InputText) else "sub-network"
            fail(
                self.text,
                op.at,
                f"{what} has {len(shape)} axes (shape {shape}), "
                f"the text {len(op.axes)}",
            )
        return shape

    def _from_axes(self, op: InputText | SubText, shape: Shape | None) -> None:
        for axis, size in zip(op.axes, shape or (), strict=shape is not None):
            if axis.affine:
                continue
            known: int = prod(self.sizes.get(a, 1) for a, _ in axis.terms)
            open_ = [a for a, _ in axis.terms if a not in self.sizes]
            if not open_ and known != size:
                self._misfit(axis, size)
            elif len(open_) == 1 and known:
                if size % known:
                    self._misfit(axis, size)
                self.sizes[open_[0]] = size // known

    def _misfit(self, axis: AxisText, size: int) -> None:
        have = ", ".join(f"{a}={self.sizes.get(a, 'unknown')}" for a, _ in axis.terms)
        fail(self.text, axis.at, f"an axis of size {size} does not fit {have or '()'}")

    def _from_pattern(self, op: PatternText) -> None:
        output, stride = op.output
        kernel = self.sizes.get(op.kernel[0]) if op.kernel else 1
        size = self.sizes.get(op.input)
        if output in self.sizes or kernel is None or size is None:
            return
        dilation = op.kernel[1] if op.kernel else 1
        room = size + op.padding - dilation * (kernel - 1) - 1
        if room < 0:
            fail(
                self.text,
                op.at,
                f"no output position fits: an input of {size} padded by {op.padding} "
                f"is shorter than {dilation * (kernel - 1) + 1}; pad more, or give "
                f"sizes={{{output!r}: ...}}",
            )
        self.sizes[output] = room // stride + 1

    def _from_reindex(self, op: ReindexText) -> None:
        if op.mode == "pieces":
            self.sizes.setdefault(op.output, sum(run[2] for run in op.numbers))
            return
        more = sum(run[0] for run in op.numbers)
        if op.input in self.sizes:
            self.sizes.setdefault(op.output, self.sizes[op.input] + more)
        elif op.output in self.sizes:
            self.sizes[op.input] = self.sizes[op.output] - more

    # ---- operands

    def _operand(
        self,
        j: int,
        op: OperandText,
        inner: Mapping[int, Network],
        kernels: Mapping[int, str],
    ) -> Operand:
        try:
            if isinstance(op, PatternText):
                return self._pattern(op, kernels.get(j))
            if isinstance(op, ReindexText):
                return self._reindex(op)
            shape = inner[j].shape if j in inner else self.shapes.get(_name(op))
            each = shape or (None,) * len(op.axes)
            axes = tuple(map(self._axis, op.axes, each))
            if isinstance(op, SubText):
                return SubNetwork(inner[j], axes)
            return Input(op.name, axes, op.conjugate)
        except TnconvError as error:
            if "\n" in str(error):
                raise
            fail(self.text, op.at, str(error))

    def _pattern(self, op: PatternText, implied: str | None) -> Pattern:
        kernel, dilation = op.kernel or (implied or "", 1)
        output, stride = op.output
        legs = (op.input, output, kernel)
        i, o, k = (self.sizes[leg] for leg in legs)
        return Pattern(IndexPattern(i, o, k, stride, dilation, op.padding), *legs)

    def _reindex(self, op: ReindexText) -> Reindex:
        size = self.sizes[op.input]
        if op.mode == "pieces":
            index_map = IndexMap(size, tuple(Piece(*run) for run in op.numbers))
        elif op.mode in MODES[1:]:
            (low,), (high,) = op.numbers
            index_map = IndexMap.padding(op.mode, size, low, high)
        else:
            modes = ", ".join((*MODES[1:], "pieces"))
            fail(self.text, op.at, f"{op.mode!r} is not one of {modes}")
        return Reindex(index_map, op.input, op.output)

    def _axis(self, axis: AxisText, size: int | None) -> Axis:
        """The view; without a size, as long as its highest position asks for."""
        if not axis.affine:
            labels = [label for label, _ in axis.terms]
            whole = prod(self.sizes[label] for label in labels)
            return Axis.of(whole, *labels, sizes=self.sizes)
        if size is None:
            size = axis.size
        if size is None and axis.bounds:
            size = axis.bounds[1]
        if size is None:
            top = Axis(0, axis.terms, axis.offset).reach(self.sizes)[1]
            size = max(0, top + 1)
        low, high = axis.bounds or (0, size)
        try:
            return Axis(size, axis.terms, axis.offset, low, high)
        except TnconvError as error:
            fail(self.text, axis.at, str(error))


def _name(op: InputText | SubText) -> str:
    return op.name if isinstance(op, InputText) else ""
