"""The moves all rules share: rebuild, narrow, identify and substitute labels.

Each returns a network of the same meaning, or None where the language of networks
cannot say the result (a pattern or padding mode that would need another record).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from tnconv.axis import Axis, Term
from tnconv.network import (
    Input,
    Network,
    Operand,
    Pattern,
    Reindex,
    SubNetwork,
    rename_operand,
)
from tnconv.restrict import restrict_operand

Relation = Pattern | Reindex

# What stands in a label's place: terms and an offset.
Value = tuple[tuple[Term, ...], int]


def rebuild(
    network: Network,
    operands: Iterable[Operand],
    output: Iterable[Axis],
    sizes: Mapping[str, int],
) -> Network:
    """A network from new parts; labels of ``sizes`` that occur no more become scale.

    A label whose value another one determines has to be left out of ``sizes``.
    """
    operands, output = tuple(operands), tuple(output)
    used = {label for op in operands for label in op.labels}
    used.update(label for axis in output for label, _ in axis.terms)
    scale = network.scale
    for label in sizes.keys() - used:
        scale *= sizes[label]
    kept = tuple(sorted((label, sizes[label]) for label in used))
    return Network(operands, output, kept, scale)


def on_axes(
    operand: Operand, label: str, terms: tuple[Term, ...], offset: int
) -> Operand:
    """An input or sub-network with ``offset + sum(terms)`` in a label's place."""
    if not isinstance(operand, (Input, SubNetwork)) or label not in operand.labels:
        return operand
    axes = tuple(axis.substitute(label, terms, offset) for axis in operand.axes)
    return replace(operand, axes=axes)


def can_restrict(
    relation: Operand, label: str, start: int, size: int, step: int
) -> bool:
    """Whether an operand with a label narrowed is still an operand."""
    if label not in relation.labels or not isinstance(relation, (Pattern, Reindex)):
        return True
    if isinstance(relation, Pattern):
        return label != relation.input or step == 1 or size <= 1
    return label == relation.output and (step == 1 or size <= 1)


def narrow(
    network: Network,
    label: str,
    start: int,
    size: int,
    step: int = 1,
    *,
    given: Mapping[int, Operand] | None = None,
) -> Network | None:
    """Keep ``size`` values of a label from ``start`` on; the others add nothing.

    ``given`` has operands, by position, that are narrowed already.
    """
    given = given or {}
    start = start if size else 0
    operands = []
    for at, op in enumerate(network.operands):
        if at not in given and not can_restrict(op, label, start, size, step):
            return None
        narrowed = given.get(at)
        if narrowed is None:
            narrowed = restrict_operand(op, label, start, size, step)
        operands.append(narrowed)
    output = (a.substitute(label, ((label, step),), start) for a in network.output)
    return rebuild(network, operands, output, {**network.sizes, label: size})


def identify(
    network: Network, names: Mapping[str, str], drop: tuple[int, ...]
) -> Network | None:
    """Give labels that are always equal one name, and drop operands that said so."""
    operands = []
    for at, op in enumerate(network.operands):
        if at in drop:
            continue
        if isinstance(op, (Pattern, Reindex)):
            renamed = [names.get(label, label) for label in op.labels]
            if len(set(renamed)) != len(renamed):
                return None
            op = rename_operand(op, names)
        else:
            for old, new in names.items():
                op = on_axes(op, old, ((new, 1),), 0)
        operands.append(op)
    output = network.output
    for old, new in names.items():
        output = tuple(a.substitute(old, ((new, 1),), 0) for a in output)
    sizes = {a: size for a, size in network.sizes.items() if a not in names}
    return rebuild(network, operands, output, sizes)


def substitute(
    network: Network,
    values: Mapping[str, Value],
    *,
    drop: tuple[int, ...] = (),
    add: tuple[Operand, ...] = (),
    sizes: Mapping[str, int] | None = None,
) -> Network | None:
    """Put each label's value ``(terms, offset)`` in its place, everywhere.

    Axes take any combination. A pattern or padding mode with the label takes one term
    of positive step that stays within the label's range, or a constant. ``drop`` lists
    operands to leave out, ``add`` new ones, ``sizes`` the sizes of new labels.
    """
    known = {**network.sizes, **(sizes or {})}
    left = {name: size for name, size in known.items() if name not in values}
    operands = list(network.operands)
    output = network.output
    for label, (terms, offset) in values.items():
        live = tuple((name, step) for name, step in terms if known[name] != 1)
        for at, op in enumerate(operands):
            if at in drop or label not in op.labels:
                continue
            if isinstance(op, (Pattern, Reindex)):
                composed = _compose(op, label, live, offset, known)
                if composed is None:
                    return None
                operands[at] = composed
                if not live:
                    left[label] = 1
            else:
                operands[at] = on_axes(op, label, live, offset)
        output = tuple(axis.substitute(label, live, offset) for axis in output)
    kept = [op for at, op in enumerate(operands) if at not in drop]
    return rebuild(network, (*kept, *add), output, left)


def _compose(
    relation: Relation,
    label: str,
    terms: tuple[Term, ...],
    offset: int,
    sizes: Mapping[str, int],
) -> Relation | None:
    """The relation with ``offset + step * new`` in the place of one of its legs."""
    if len(terms) > 1:
        return None
    new, step = terms[0] if terms else (label, 1)
    size = sizes[new] if terms else 1
    last = offset + step * max(0, size - 1)
    if new in relation.labels and new != label:
        return None
    if step < 1 or offset < 0 or last >= sizes[label]:
        return None
    whole = (offset, step, size) == (0, 1, sizes[label])
    if not whole:
        if not can_restrict(relation, label, offset, size, step):
            return None
        narrowed = restrict_operand(relation, label, offset, size, step)
        assert isinstance(narrowed, (Pattern, Reindex))
        relation = narrowed
    renamed = rename_operand(relation, {label: new})
    assert isinstance(renamed, (Pattern, Reindex))
    return renamed
