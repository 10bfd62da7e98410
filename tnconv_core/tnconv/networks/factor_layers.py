"""Each factor of a kernel as a layer of its own: its Kronecker factors.

In the textbook chain (:mod:`tnconv.factor.chain`) a factor is a layer between what
comes before it (the input, earlier factors, patterns whose kernel positions they or it
carry) and what follows. Labels of the factor that both sides carry are groups (``r`` of
CP, ``g``); its other labels from before are its input features, those towards what
follows its output features. Whatever else is open (batch, map positions, a bond that
passes by) counts as positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Unpack

from tnconv.axis import Axis
from tnconv.edits import pair
from tnconv.errors import ArgumentError
from tnconv.factor.chain import Stage, chain
from tnconv.network import Input, Network, Operand, Pattern, Reindex
from tnconv.networks.checks import Site
from tnconv.networks.conv import conv
from tnconv.networks.geometry import Hyper, TransposedHyper
from tnconv.networks.transposed import conv_transpose


@dataclass(frozen=True, slots=True)
class _Cut:
    """A factor, and the operands and labels on either side of it."""

    factor: Input
    before: tuple[Operand, ...]
    after: tuple[Operand, ...]
    network: Network

    @classmethod
    def of(cls, network: Network, stages: Sequence[Stage], factor: str) -> _Cut:
        """The operands on either side of a factor in the chain."""
        names = [stage.factor for stage in stages]
        inputs = {op.name: op for op in network.inputs}
        if factor not in names or f"weight.{factor}" not in inputs:
            raise ArgumentError(
                f"kfac_factors: {factor!r} is no layer of the chain {', '.join(names)} "
                f"in {network}; its groups may be others than the kernel's"
            )
        at = names.index(factor)
        before: list[Operand] = [inputs["x"]]
        before += [inputs[f"weight.{name}"] for name in names[:at]]
        taken = {axis for stage in stages[: at + 1] for axis in stage.taken}
        after: list[Operand] = [inputs[f"weight.{name}"] for name in names[at + 1 :]]
        for op in network.operands:
            if isinstance(op, (Pattern, Reindex)):
                (before if _axis(op) in taken else after).append(op)
        after.append(Input("cotangent", network.output))
        return cls(inputs[f"weight.{factor}"], tuple(before), tuple(after), network)

    def labels(self, operands: Sequence[Operand]) -> set[str]:
        """All labels of some operands."""
        return {label for op in operands for label in op.labels}

    @property
    def groups(self) -> tuple[str, ...]:
        """The factor's labels that both sides carry."""
        both = self.labels(self.before) & self.labels(self.after)
        return tuple(a for a in self.factor.labels if a in both)

    def features(self, side: Sequence[Operand]) -> tuple[str, ...]:
        """The factor's other labels on one side."""
        own = self.labels(side)
        return tuple(a for a in self.factor.labels if a in own and a not in self.groups)

    def squared(self, side: Sequence[Operand], normalization: str) -> Network:
        """What one side contracts to, paired with itself over positions."""
        other = self.before if side is self.after else self.after
        groups, features = self.groups, self.features(side)
        beyond = self.labels(other) | set(self.factor.labels)
        met = dict.fromkeys(a for op in side for a in op.labels if a in beyond)
        shared = tuple(a for a in met if a not in features)
        sizes = self.network.sizes
        kept = (*shared, *features)
        open_ = Network.build(side, _axes(kept, sizes), sizes, self.network.scale)
        both = pair(open_, shared=shared, output=(*kept, *(f"{a}'" for a in features)))
        matrix = (groups, features, tuple(f"{a}'" for a in features))
        output = tuple(
            Axis.of(prod(both.sizes[a] for a in part), *part, sizes=both.sizes)
            for part in matrix
        )
        positions = [a for a in shared if a not in groups]
        scale = Fraction(1, _divisor(positions, sizes, normalization))
        return Network.build(both.operands, output, both.sizes, both.scale * scale)


def kfac_factor_input(
    x_shape: Sequence[int],
    kernel: Network,
    factor: str,
    *,
    normalization: str = "both",
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the input factor of one factor of a convolution's kernel.

    The result has shape (groups, features, features), features being the factor's axes
    towards the layer's input. Inputs are ``x`` and the factors before it.

    >>> from tnconv import parse
    >>> kernel = parse("out: d r, in: r c k -> d c k", shapes=[(4, 5), (5, 2, 3)])
    >>> kfac_factor_input((8, 2, 9), kernel, "in").shape
    (1, 6, 6)
    >>> kfac_factor_input((8, 2, 9), kernel, "out").shape
    (1, 5, 5)
    """
    cut = _Cut.of(conv(x_shape, kernel, **hyper), _chain(kernel, hyper), factor)
    return cut.squared(cut.before, normalization)


def kfac_factor_output(
    x_shape: Sequence[int],
    cotangent_shape: Sequence[int],
    kernel: Network,
    factor: str,
    **hyper: Unpack[Hyper],
) -> Network:
    """The network of the output factor of one factor: gradients at its output, squared.

    The result has shape (groups, features, features), features being the factor's axes
    towards the layer's output. Inputs are ``cotangent`` and the factors after it.

    >>> from tnconv import parse
    >>> kernel = parse("out: d r, in: r c k -> d c k", shapes=[(4, 5), (5, 2, 3)])
    >>> kfac_factor_output((8, 2, 9), (8, 4, 7), kernel, "in").shape
    (1, 5, 5)
    """
    network = conv(x_shape, kernel, **hyper)
    _check_cotangent("kfac_factors", x_shape, cotangent_shape, network)
    cut = _Cut.of(network, _chain(kernel, hyper), factor)
    return cut.squared(cut.after, "none")


def kfac_transpose_factor_input(
    x_shape: Sequence[int],
    kernel: Network,
    factor: str,
    *,
    normalization: str = "both",
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """As :func:`kfac_factor_input`, of a transposed convolution.

    >>> from tnconv import parse
    >>> kernel = parse("in: d r, out: r c k -> d c k", shapes=[(4, 5), (5, 2, 3)])
    >>> kfac_transpose_factor_input((8, 4, 9), kernel, "out").shape
    (1, 15, 15)
    """
    network = conv_transpose(x_shape, kernel, **hyper)
    cut = _Cut.of(network, _chain(kernel, hyper, transposed=True), factor)
    return cut.squared(cut.before, normalization)


def kfac_transpose_factor_output(
    x_shape: Sequence[int],
    cotangent_shape: Sequence[int],
    kernel: Network,
    factor: str,
    **hyper: Unpack[TransposedHyper],
) -> Network:
    """As :func:`kfac_factor_output`, of a transposed convolution.

    >>> from tnconv import parse
    >>> kernel = parse("in: d r, out: r c k -> d c k", shapes=[(4, 5), (5, 2, 3)])
    >>> kfac_transpose_factor_output((8, 4, 9), (8, 2, 11), kernel, "in").shape
    (1, 5, 5)
    """
    network = conv_transpose(x_shape, kernel, **hyper)
    _check_cotangent("kfac_transpose_factors", x_shape, cotangent_shape, network)
    cut = _Cut.of(network, _chain(kernel, hyper, transposed=True), factor)
    return cut.squared(cut.after, "none")


def _chain(
    kernel: Network, hyper: Hyper | TransposedHyper, transposed: bool = False
) -> tuple[Stage, ...]:
    groups = int(hyper.get("groups", 1))
    return chain(kernel, groups=groups, transposed=transposed)


def _check_cotangent(
    operation: str, x: Sequence[int], cotangent: Sequence[int], network: Network
) -> None:
    site = Site.of(operation, x=x, cotangent=cotangent)
    if site.shapes["cotangent"] != network.shape:
        raise site.error(
            f"cotangent has shape {site.shapes['cotangent']} but the layer's output is "
            f"{network.shape}",
            "give cotangent that shape or change the hyper-parameters",
        )


def _axis(op: Pattern | Reindex) -> int:
    """The spatial axis of a pattern, or of a padding mode."""
    return int((op.kernel if isinstance(op, Pattern) else op.input)[1:])


def _axes(labels: Sequence[str], sizes: Mapping[str, int]) -> tuple[Axis, ...]:
    return tuple(Axis(sizes[a], ((a, 1),)) for a in labels)


def _divisor(
    positions: Sequence[str], sizes: Mapping[str, int], normalization: str
) -> int:
    known = ("none", "batch", "positions", "both")
    if normalization not in known:
        raise ArgumentError(
            f"kfac_factors: normalization is {normalization!r}; give one of "
            f"{', '.join(known)}"
        )
    each = {a: sizes[a] for a in positions}
    batch = each.pop("n", 1)
    total = batch if normalization in ("batch", "both") else 1
    return total * (
        prod(each.values()) if normalization in ("positions", "both") else 1
    )
