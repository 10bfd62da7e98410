"""The edit that keeps a slice of a label: sub-tensor access, blocks, tensor dropout."""

from __future__ import annotations

from dataclasses import replace as with_fields

from tnconv.errors import NetworkError
from tnconv.network import Input, Network, Operand, Pattern, Reindex, SubNetwork
from tnconv.splice import substitute_axes


def restrict(
    network: Network, label: str, start: int, size: int, step: int = 1
) -> Network:
    """Keep the values ``start, start+step, ..`` (``size`` of them) of one label.

    Arrays keep their shapes: what is left out is not read, and on the output it stays
    zero. A sum over the label runs over the kept values only. Raises NetworkError
    for values beyond the label, and for a step that no pattern can say: one on the
    input leg of a pattern that has both a stride and a dilation, or of a padding mode.
    """
    have = network.sizes[label]
    if size < 0 or start < 0 or (size and start + step * (size - 1) >= have):
        raise NetworkError(f"restrict: {start}:{size}:{step} leaves {label!r} ({have})")
    if step > 1 and size > 1:
        network = _as_output(network, label)
    operands = tuple(
        restrict_operand(op, label, start, size, step) for op in network.operands
    )
    output = tuple(a.substitute(label, ((label, step),), start) for a in network.output)
    sizes = {**network.sizes, label: size}
    return Network.build(operands, output, sizes, network.scale)


def restrict_operand(
    op: Operand, label: str, start: int, size: int, step: int
) -> Operand:
    """One operand with a label narrowed; raises where no record can say it."""
    if label not in op.labels:
        return op
    if isinstance(op, (Input, SubNetwork)):
        axes = tuple(a.substitute(label, ((label, step),), start) for a in op.axes)
        return with_fields(op, axes=axes)
    span = step * (size - 1) + 1 if size else 0
    if isinstance(op, Pattern):
        index = op.index
        if label == op.input:
            if step > 1 and size > 1:
                raise NetworkError(
                    f"restrict: a step on input leg {label!r} of a pattern"
                )
            return with_fields(op, index=index.narrow_input(start, size))
        if label == op.output:
            index = index.narrow_output(start, span).every_output(step)
        else:
            index = index.narrow_kernel(start, span).every_kernel(step)
        return with_fields(op, index=index)
    assert isinstance(op, Reindex)
    if label == op.input or (step > 1 and size > 1):
        raise NetworkError(f"restrict: {label!r} of a padding mode keeps no such slice")
    return with_fields(op, map=op.map.narrow(start, size))


def _as_output(network: Network, label: str) -> Network:
    """The same network with ``label`` no input leg of a pattern, where that can be.

    With ``i = o + D*k - P`` the output is ``o = i + D*k' + P - D*(K-1)``, where the
    kernel is read backwards: it takes a step on ``i``. So does a dilation of 1, kernel
    and output exchanged.
    """
    for at, op in enumerate(network.operands):
        if not isinstance(op, Pattern) or op.input != label:
            continue
        if op.index.stride != 1:
            op = Pattern(op.index.swap(), op.input, op.kernel, op.output)
        if op.index.stride != 1 or _is_shared(network, op.kernel):
            raise NetworkError(f"restrict: a step on input leg {label!r} of a pattern")
        operands = list(network.operands)
        operands[at] = Pattern(op.index.transpose(), op.output, label, op.kernel)
        turned = ((op.kernel, -1),)
        network = substitute_axes(
            network.with_operands(operands), op.kernel, turned, op.index.kernel - 1, {}
        )
    return network


def _is_shared(network: Network, label: str) -> bool:
    """Whether a label is on more than one pattern or padding mode."""
    ops = (op for op in network.operands if isinstance(op, (Pattern, Reindex)))
    return sum(label in op.labels for op in ops) > 1
