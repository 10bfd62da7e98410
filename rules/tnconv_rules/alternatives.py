"""Ways to write a network that are not always simpler or faster: for planners to price.

Each takes a network and yields others of the same meaning. All but the first start from
the simplified network; those that change patterns change every pattern they can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tnconv.network import Input, Network, Operand, Pattern, SubNetwork
from tnconv.pattern import IndexPattern
from tnconv.rewrite import Alternative, simplify
from tnconv.splice import splice_all
from tnconv_rules.injective import guarded
from tnconv_rules.moves import on_axes, rebuild, substitute

# One pattern written differently, or None.
Change = Callable[[Network, int, Pattern], Network | None]


def as_built(network: Network) -> Iterator[Network]:
    """The network itself, sub-networks spliced in."""
    yield splice_all(network)


def simplified(network: Network) -> Iterator[Network]:
    """What the STANDARD rules make of it."""
    yield simplify(network).network


def unit_stride(network: Network, at: int, op: Pattern) -> Network | None:
    """R17: with ``k = S*k' + s`` and ``i = S*j + D*s - P`` the stride is 1.

    Rows of ``s`` become channels. Kernel positions from K on must read zero, as must
    input positions out of range: see the preconditions of injective patterns.
    """
    index = op.index
    if index.stride == 1 or min(index.input, index.output - 1, index.kernel - 1) < 1:
        return None
    taps = -(-index.kernel // index.stride)
    inner = IndexPattern(
        index.output + index.dilation * (taps - 1),
        index.output,
        taps,
        dilation=index.dilation,
    )
    row, tap = network.fresh(op.kernel), network.fresh(op.kernel + "'")
    ahead = network.fresh(op.input)
    low, high = index.padding > 0, index.high_padding > 0
    bounded = guarded(network, op.input, low=low, high=high)
    if bounded is not None:
        bounded = guarded(
            bounded, op.kernel, low=False, high=index.kernel % index.stride > 0
        )
    if bounded is None:
        return None
    values = {
        op.input: (((ahead, index.stride), (row, index.dilation)), -index.padding),
        op.kernel: (((tap, index.stride), (row, 1)), 0),
    }
    sizes = {ahead: inner.input, tap: taps, row: index.stride}
    pattern = Pattern(inner, ahead, op.output, tap)
    return substitute(bounded, values, drop=(at,), add=(pattern,), sizes=sizes)


def unit_dilation(network: Network, at: int, op: Pattern) -> Network | None:
    """R18: R17 with kernel and output exchanged; the outputs in between are rows."""
    swapped = Pattern(op.index.swap(), op.input, op.kernel, op.output)
    return unit_stride(network, at, swapped)


def transposed(network: Network, at: int, op: Pattern) -> Network | None:
    """R16: at stride 1, input and output exchanged and the kernel reversed.

    Only where the input label is written and not read: there it makes a convolution
    of its transpose.
    """
    axes = [op.axes for op in network.operands if isinstance(op, Input | SubNetwork)]
    read = {label for each in axes for axis in each for label in axis.labels}
    if (
        op.index.stride != 1
        or op.input in read
        or op.input not in network.output_labels
    ):
        return None
    return _turned(network, at, op)


def aligned(network: Network, at: int, op: Pattern) -> Network | None:
    """R16 where another pattern runs the other way and cannot be turned.

    That one's output leg stands where this one's input leg does, and the reverse:
    alike, they are one convolution of a pair of arrays.
    """
    if op.index.stride != 1:
        return None
    arrays = [o.labels for o in network.operands if isinstance(o, Input | SubNetwork)]

    def together(first: str, second: str) -> bool:
        return any(first in labels and second in labels for labels in arrays)

    for other in network.patterns:
        if other.index.stride != 1 and together(other.output, op.input):
            if together(other.input, op.output):
                return _turned(network, at, op)
    return None


def _turned(network: Network, at: int, op: Pattern) -> Network | None:
    """The network with one pattern transposed, its kernel read backwards."""
    flipped = network.fresh(op.kernel)
    pattern = Pattern(op.index.transpose(), op.output, op.input, flipped)
    values = {op.kernel: (((flipped, -1),), op.index.kernel - 1)}
    sizes = {flipped: op.index.kernel}
    return substitute(network, values, drop=(at,), add=(pattern,), sizes=sizes)


def split(network: Network, at: int, op: Pattern) -> Network | None:
    """R11 reversed: one pattern for each operand that reads through it."""
    readers = [j for j in network.holders(op.input) if j != at]
    if len(readers) < 2 or any(
        not isinstance(network.operands[j], Input | SubNetwork) for j in readers
    ):
        return None
    copy = network.fresh(op.input)
    operands = list(network.operands)
    operands[readers[-1]] = on_axes(operands[readers[-1]], op.input, ((copy, 1),), 0)
    operands.append(replace(op, input=copy))
    sizes = {**network.sizes, copy: op.index.input}
    return rebuild(network, operands, network.output, sizes)


def composed(network: Network, at: int, op: Pattern) -> Network | None:
    """R22: this pattern reads the outputs of another, unpadded: one longer kernel.

    ``i = S1*S2*o + q - P`` and ``q = S1*D2*k2 + D1*k1``, the label in between is gone.
    """
    others = [j for j in network.holders(op.input) if j != at]
    if len(others) != 1 or op.input in network.output_labels:
        return None
    first = network.operands[others[0]]
    if not isinstance(first, Pattern) or first.output != op.input:
        return None
    if not op.index.covers_input_range() or set(first.labels) & {op.output, op.kernel}:
        return None
    inner, outer = first.index, op.index
    long = network.fresh(op.kernel)
    kernels = IndexPattern(
        inner.stride * outer.dilation * (outer.kernel - 1)
        + inner.dilation * (inner.kernel - 1)
        + 1,
        outer.kernel,
        inner.kernel,
        inner.stride * outer.dilation,
        inner.dilation,
    )
    whole = IndexPattern(
        inner.input,
        outer.output,
        kernels.input,
        inner.stride * outer.stride,
        1,
        outer.padding * inner.stride + inner.padding,
    )
    operands: list[Operand] = list(network.operands)
    operands[at] = Pattern(whole, first.input, op.output, long)
    operands[others[0]] = Pattern(kernels, long, op.kernel, first.kernel)
    sizes = {a: n for a, n in network.sizes.items() if a != op.input}
    return rebuild(network, operands, network.output, {**sizes, long: kernels.input})


def explicit_padding(network: Network, at: int, op: Pattern) -> Network | None:
    """R10: the input label runs over the padding too, and the pattern pads nothing.

    The array is padded once where it is read, and nothing that is made of it is.
    """
    low, high = max(0, op.index.padding), max(0, op.index.high_padding)
    bounded = guarded(network, op.input, low=low > 0, high=high > 0)
    if bounded is None or not low + high:
        return None
    wide, index = network.fresh(op.input), op.index.pad_input(low, high)
    return substitute(
        bounded,
        {op.input: (((wide, 1),), -low)},
        drop=(at,),
        add=(Pattern(index, wide, op.output, op.kernel),),
        sizes={wide: index.input},
    )


def everywhere(change: Change) -> Callable[[Network], Iterator[Network]]:
    """The alternative that changes each pattern of the simplified network it can."""

    def apply(network: Network) -> Iterator[Network]:
        start = found = simplify(network).network
        for op in start.patterns:
            if op in found.operands:
                changed = change(found, found.operands.index(op), op)
                found = found if changed is None else changed
        if found is not start:
            yield found

    return apply


AS_BUILT = Alternative("as built", as_built, "The network itself.")
SIMPLIFIED = Alternative("simplified", simplified, "After the STANDARD rules.")
UNIT_STRIDE = Alternative(
    "unit stride", everywhere(unit_stride), "R17: space to depth, stride 1."
)
UNIT_DILATION = Alternative(
    "unit dilation", everywhere(unit_dilation), "R18: dilation to batch, dilation 1."
)
TRANSPOSED = Alternative(
    "transposed", everywhere(transposed), "R16: an input gradient as a convolution."
)
ALIGNED = Alternative(
    "aligned", everywhere(aligned), "R16: patterns that run in opposite ways, alike."
)
SPLIT = Alternative(
    "split", everywhere(split), "R11 reversed: a window of its own for every operand."
)
COMPOSED = Alternative(
    "composed",
    everywhere(composed),
    "R22: two patterns in a row as one and a short one.",
)
PADDED = Alternative(
    "padded",
    everywhere(explicit_padding),
    "R10: arrays padded once, where they are read.",
    mends="pad",
)

ALTERNATIVES = (
    AS_BUILT,
    SIMPLIFIED,
    UNIT_STRIDE,
    UNIT_DILATION,
    TRANSPOSED,
    ALIGNED,
    SPLIT,
    COMPOSED,
    PADDED,
)
