"""The normal equations of one factor, the others fixed, as networks.

A weight is linear in each of its factors. Its squared distance to a target, measured as
it is or through a covariance of what the layer reads, is quadratic in one factor, and
both sides of the equations for the best one are edits of the kernel's network: without
the factor and paired with itself, and without the factor and joined with the target.

The matrix is never larger than it must be. A leg that only the factor carries, and that
the measure leaves alone, is the identity; a leg on every factor (groups) is a batch;
and where the rest of the network falls apart, the matrix is a Kronecker product of one
matrix for each part (the core of a Tucker kernel: one for either side). What the other
factors bring in is their Gram matrices, made once for each new factor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from tnconv.factor.fit.conjugate import conjugate
from tnconv.factor.fit.layout import PRIME, Labels, Layout, matrix, run
from tnconv.network import Input, Network

Array = Any

METRIC, PULL, VECTOR = "(metric)", "(pull)", "(vector)"
#: added to a matrix of unit diagonal, so that it can be solved with whatever it is
FLOOR = 1e-13
#: rows of a matrix that is solved at once; larger ones are approached
LARGEST, ITERATIONS = 3000, 12


@dataclass(frozen=True)
class Part:
    """One factor of the Kronecker product: a matrix (batch, rows, rows), and its
    diagonal (batch, rows). Without rows it is a number that does not touch the factor.
    """

    square: Network
    diagonal: Network
    batch: Labels
    rows: Labels
    size: int


@dataclass(frozen=True)
class Equations:
    """How to find one factor.

    ``parts`` are those of the matrix, ``apply`` multiplies with all of it, ``right`` is
    the other side, and ``gram`` is what the other equations read of the factor, under
    its name with a prime.
    """

    name: str
    labels: Labels
    parts: tuple[Part, ...]
    apply: Network
    right: Network
    gram: Network | None

    @classmethod
    def of(cls, layout: Layout, name: str, metric: Labels = ()) -> Equations:
        """The equations of a factor; ``metric`` are the legs that are measured."""
        labels = layout.factors[name]
        pull = layout.operand(PULL, layout.output)
        right = layout.network([*layout.operands(without=name), pull], labels)
        pair = _Pair.of(layout, name, metric)
        return cls(
            name, labels, pair.parts(), pair.apply(), right, gram(layout, name, metric)
        )

    def solve(self, arrays: Mapping[str, Array], ridge: float, xp: Any) -> Array:
        """The best factor, penalized by ``ridge`` times what each entry contributes.

        From the factor so far, and only nearer to the best, where the matrix is large.
        """
        if max((part.size for part in self.parts), default=0) > LARGEST:
            return self._approached(arrays, ridge, xp)
        found = run(self.right, arrays)
        for part in self.parts:
            found = self._divided(found, part, run(part.square, arrays), ridge, xp)
        return found

    def _divided(
        self, values: Array, part: Part, square: Array, ridge: float, xp: Any
    ) -> Array:
        rest = tuple(a for a in self.labels if a not in (*part.batch, *part.rows))
        flat = matrix(xp, values, self.labels, part.batch, part.rows, rest)
        square = xp.reshape(square, (flat.shape[0], part.size, part.size))
        solved = solve(square, flat, ridge, xp)
        order = (*part.batch, *part.rows, *rest)
        sizes = dict(zip(self.labels, values.shape, strict=True))
        full = xp.reshape(solved, tuple(sizes[a] for a in order))
        return xp.permute_dims(full, tuple(order.index(a) for a in self.labels))

    def _approached(self, arrays: Mapping[str, Array], ridge: float, xp: Any) -> Array:
        diagonal = xp.ones_like(arrays[self.name])
        for part in self.parts:
            values = run(part.diagonal, arrays)
            held, sizes = (*part.batch, *part.rows), iter(values.shape)
            shape = {a: next(sizes) for a in self.labels if a in held}
            order = tuple(held.index(a) for a in shape)
            values = xp.permute_dims(values, order) if order else values
            wide = tuple(shape.get(a, 1) for a in self.labels)
            diagonal = diagonal * xp.reshape(values, wide)
        diagonal = xp.where(diagonal > 0, diagonal, xp.ones_like(diagonal))

        def apply(values: Array) -> Array:
            image = run(self.apply, {**arrays, VECTOR: values})
            return image + (ridge + FLOOR) * diagonal * values

        right, start = run(self.right, arrays), arrays[self.name]
        return conjugate(apply, right, start, diagonal, ITERATIONS, xp)


def solve(square: Array, right: Array, ridge: float, xp: Any) -> Array:
    """Solve with positive semi-definite matrices scaled to a unit diagonal.

    ``ridge`` is relative to the diagonal, so a scaling of unknowns changes nothing.
    Rows of zeros give zeros.
    """
    diagonal = xp.linalg.diagonal(square)
    safe = xp.where(diagonal > 0, diagonal, xp.ones_like(diagonal))
    scale = 1 / xp.sqrt(safe)
    unit = square * scale[:, :, None] * scale[:, None, :]
    size = unit.shape[-1]
    one = xp.eye(size, dtype=unit.dtype, device=unit.device)
    found = xp.linalg.solve(unit + (ridge + FLOOR) * one, right * scale[:, :, None])
    return found * scale[:, :, None]


def gram(layout: Layout, name: str, metric: Labels = ()) -> Network | None:
    """A factor paired with itself along the legs that only it carries.

    None where it carries a leg that is measured: it then stays two operands.
    """
    labels = layout.factors[name]
    if any(a in metric for a in labels):
        return None
    paired = layout.primed(layout.bonds)
    first = layout.operand(name, labels)
    second = _renamed(paired, first, {a: a + PRIME for a in layout.bonds})
    return paired.network([first, second], _gram_labels(layout, name))


def _gram_labels(layout: Layout, name: str) -> Labels:
    labels = layout.factors[name]
    bonds = tuple(a for a in labels if a not in layout.output)
    shared = (a for a in labels if a in layout.output and len(layout.holders(a)) > 1)
    return (*shared, *bonds, *(a + PRIME for a in bonds))


@dataclass(frozen=True)
class _Pair:
    """What is left without a factor, paired with itself.

    ``batch`` are the factor's labels that stand outside the matrix, ``coupled`` those
    that it has rows for; those of the second copy have a prime.
    """

    layout: Layout
    labels: Labels
    operands: Sequence[Input]
    batch: Labels
    coupled: Labels

    @classmethod
    def of(cls, layout: Layout, name: str, metric: Labels) -> _Pair:
        labels, others = layout.factors[name], layout.operands(without=name)
        held = {a for operand in others for a in operand.labels}
        batch, coupled = [], []
        for label in labels:
            if label in metric or (label in held and label not in layout.output):
                coupled.append(label)
            elif label in held:
                batch.append(label)
        primed = {
            a: a + PRIME for a in layout.sizes if a not in layout.output or a in metric
        }
        paired = layout.primed(primed)
        operands = []
        if metric:
            legs = (*layout.group, *metric, *(a + PRIME for a in metric))
            operands.append(paired.operand(METRIC, legs))
        for other in others:
            if gram(layout, other.name, metric) is None:
                operands += [other, _renamed(paired, other, primed)]
            else:
                grams = _gram_labels(layout, other.name)
                operands.append(paired.operand(other.name + PRIME, grams))
        return cls(paired, labels, operands, tuple(batch), tuple(coupled))

    def apply(self) -> Network:
        """Multiply a factor with the matrix."""
        primed = [a + PRIME if a in self.coupled else a for a in self.labels]
        vector = self.layout.operand(VECTOR, primed)
        return self.layout.network([*self.operands, vector], self.labels)

    def parts(self) -> tuple[Part, ...]:
        """The matrix, where it falls apart into several."""
        groups = _connected(self.operands, set(self.layout.group))
        return tuple(self._part(group) for group in groups)

    def _part(self, operands: Sequence[Input]) -> Part:
        layout, held = self.layout, {a for op in operands for a in op.labels}
        batch = tuple(a for a in self.batch if a in held)
        rows = tuple(a for a in self.coupled if a in held)
        square = (*batch, *rows, *(a + PRIME for a in rows))
        same = {a + PRIME: a for a in rows}
        once = [_renamed(layout, operand, same) for operand in operands]
        return Part(
            layout.network(operands, square),
            layout.network(once, (*batch, *rows)),
            batch,
            rows,
            prod(layout.shape(rows)),
        )


def _renamed(layout: Layout, operand: Input, names: Mapping[str, str]) -> Input:
    return layout.operand(operand.name, [names.get(a, a) for a in operand.labels])


def _connected(operands: Sequence[Input], apart: set[str]) -> list[list[Input]]:
    """Groups of operands that share labels, other than those in ``apart``."""
    groups: list[tuple[set[str], list[Input]]] = []
    for operand in operands:
        labels, members = set(operand.labels) - apart, [operand]
        for group in [g for g in groups if g[0] & labels]:
            groups.remove(group)
            labels, members = labels | group[0], group[1] + members
        groups.append((labels, members))
    return [members for _, members in groups]
