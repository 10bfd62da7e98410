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
from typing import Any

from tnconv.factor.fit.layout import PRIME, Labels, Layout, matrix, run
from tnconv.network import Input, Network

Array = Any

METRIC, PULL = "(metric)", "(pull)"
#: added to a matrix of unit diagonal, so that it can be solved with whatever it is
FLOOR = 1e-13


@dataclass(frozen=True)
class Part:
    """One factor of the Kronecker product: a matrix (batch, rows, rows)."""

    network: Network
    batch: Labels
    rows: Labels


@dataclass(frozen=True)
class Equations:
    """How to find one factor: the parts of the matrix, and the right-hand side.

    ``scalars`` are parts of the network that do not touch the factor, and ``gram`` is
    what the other equations read of it, under its name with a prime.
    """

    name: str
    gram: Network | None
    labels: Labels
    parts: tuple[Part, ...]
    scalars: tuple[Part, ...]
    right: Network

    @classmethod
    def of(cls, layout: Layout, name: str, metric: Labels = ()) -> Equations:
        """The equations of a factor; ``metric`` are the legs that are measured."""
        labels = layout.factors[name]
        pull = layout.operand(PULL, layout.output)
        right = layout.network([*layout.operands(without=name), pull], labels)
        parts = _parts(layout, name, metric)
        return cls(
            name,
            gram(layout, name, metric),
            labels,
            tuple(part for part in parts if part.rows),
            tuple(part for part in parts if not part.rows),
            right,
        )

    def solve(self, arrays: Mapping[str, Array], ridge: float, xp: Any) -> Array:
        """The best factor, penalized by ``ridge`` times what each entry contributes."""
        found = run(self.right, arrays)
        for part in self.parts:
            found = self._divided(found, part, run(part.network, arrays), ridge, xp)
        for part in self.scalars:
            whole = run(part.network, arrays)
            shape = tuple(
                n if a in part.batch else 1
                for a, n in zip(self.labels, found.shape, strict=True)
            )
            safe = xp.where(whole > 0, whole, xp.ones_like(whole))
            found = found / xp.reshape(safe, shape)
        return found

    def _divided(
        self, values: Array, part: Part, square: Array, ridge: float, xp: Any
    ) -> Array:
        rest = tuple(a for a in self.labels if a not in (*part.batch, *part.rows))
        flat = matrix(xp, values, self.labels, part.batch, part.rows, rest)
        size = flat.shape[1]
        square = xp.reshape(square, (flat.shape[0], size, size))
        solved = solve(square, flat, ridge, xp)
        order = (*part.batch, *part.rows, *rest)
        sizes = dict(zip(self.labels, values.shape, strict=True))
        full = xp.reshape(solved, tuple(sizes[a] for a in order))
        return xp.permute_dims(full, tuple(order.index(a) for a in self.labels))


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


def _parts(layout: Layout, name: str, metric: Labels) -> list[Part]:
    """The pair of what is left without the factor, cut where it falls apart."""
    labels = layout.factors[name]
    others = layout.operands(without=name)
    held = {a for operand in others for a in operand.labels}
    batch = tuple(
        a for a in labels if a in layout.output and a in held and a not in metric
    )
    coupled = tuple(
        a for a in labels if a in metric or (a in held and a not in layout.output)
    )
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
    return [
        _part(paired, group, batch, coupled)
        for group in _connected(operands, set(layout.group))
    ]


def _renamed(layout: Layout, operand: Input, names: Mapping[str, str]) -> Input:
    return layout.operand(operand.name, [names.get(a, a) for a in operand.labels])


def _part(
    layout: Layout, operands: Sequence[Input], batch: Labels, coupled: Labels
) -> Part:
    held = {a for operand in operands for a in operand.labels}
    own = tuple(a for a in batch if a in held)
    rows = tuple(a for a in coupled if a in held)
    output = (*own, *rows, *(a + PRIME for a in rows))
    return Part(layout.network(operands, output), own, rows)


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
