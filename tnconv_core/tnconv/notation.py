"""Text to network and back: operands are label lists, a pattern is its relation.

    n c i, i ~ 2 o + k - 1, d c k -> n d o        a convolution of stride 2, padding 1
    x: n (g c) i, conj w: (g d) c k               named inputs, composites, a conjugate
    [2 o + k - 1], [o - 1 | 1:7 of 9]             affine views: bounds, size of the axis
    p = reflect(i, 1, 2)                          a padding mode
    p = pieces(i, 2:-1:2, 0:1:4)                  any other map: start:step:length
    {a r, b r -> a b; r=4}: d c                   a sub-network and how it is read
    -> 1/8 * n d o; o=16                          a scale; sizes

In a pattern the first label on the right is the output, the second the kernel; without
a second the kernel has one position. Labels and names are identifiers, primes allowed,
or quoted text. Inputs without a name are ``x0``, ``x1``, .. by position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tnconv.network import Network
from tnconv.notation_build import build_network, shapes_by_name
from tnconv.notation_parser import read_network
from tnconv.notation_printer import network_text, operand_text

__all__ = ["operand_text", "parse", "to_text"]

Shape = tuple[int, ...]


def parse(
    text: str,
    *,
    sizes: Mapping[str, int] | None = None,
    shapes: Mapping[str, Shape] | Sequence[Shape] | None = None,
) -> Network:
    """The network a text describes.

    ``shapes`` are the shapes of the inputs, by name or in order of appearance;
    ``sizes`` the sizes of labels that no shape gives. An output size that is not given
    is the largest that needs no padding at the high end,
    ``floor((I + padding - dilation*(K-1) - 1) / stride) + 1``. Raises
    :class:`~tnconv.errors.NotationError`, which shows the place.

    >>> net = parse("n c i, i ~ 2 o + k - 1, d c k -> n d o",
    ...             shapes=[(8, 3, 9), (4, 3, 3)])
    >>> net.shape
    (8, 4, 4)
    """
    body = read_network(text)
    return build_network(body, text, sizes or {}, shapes_by_name(body, text, shapes))


def to_text(network: Network) -> str:
    """The text of a network; ``parse`` with its sizes and shapes gives it back.

    >>> to_text(parse("a b, b c -> 1/2 * (a c)", shapes=[(2, 3), (3, 4)]))
    'a b, b c -> 1/2 * (a c)'
    """
    return network_text(network)
