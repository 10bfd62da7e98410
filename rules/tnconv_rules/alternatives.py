"""Ways to write a network that are not always simpler or faster: for planners."""

from __future__ import annotations

from collections.abc import Iterator

from tnconv.network import Network
from tnconv.rewrite import Alternative, simplify
from tnconv.splice import splice_all


def as_built(network: Network) -> Iterator[Network]:
    """The network itself, sub-networks spliced in."""
    yield splice_all(network)


def simplified(network: Network) -> Iterator[Network]:
    """What the STANDARD rules make of it."""
    yield simplify(network).network


AS_BUILT = Alternative("as built", as_built, "The network itself.")
SIMPLIFIED = Alternative("simplified", simplified, "After the STANDARD rules.")

ALTERNATIVES = (AS_BUILT, SIMPLIFIED)
