"""Tensor dropout: keep a random part of some labels, so that the mean is the whole.

Of a label a share ``p`` is kept and the result scaled by ``1/p``. Every value is kept
with probability ``p``, and labels are drawn independently, so every term of the sum is
expected once: the result is unbiased. Along a label of the output, what is not kept is
zero. A share is a slice of the label, so the network stays one of patterns and views:
what is dropped is neither read nor multiplied.

``1/s`` of a label is drawn as one of ``s`` parts. Along a pattern these are residue
classes (every ``s``-th position: neighbors say much the same), elsewhere blocks, which
are views without gaps. So there are ``s`` different networks, planned once each; a
Bernoulli draw per value would make a new one every time. A share between ``1/s`` and
``1/(s+1)`` draws one of the two first, the exact share being its mean.

Source: row sampling (CRS): Adelman et al., *Faster Neural Network Training with
Approximate Tensor Operations*, NeurIPS 2021; on convolutions as tensor networks:
Dangel, *Convolutions and More as Einsum*, NeurIPS 2024.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import index
from typing import Any

from tnconv.errors import ArgumentError, NetworkError
from tnconv.network import Network
from tnconv.restrict import restrict


@dataclass(frozen=True, slots=True)
class Share:
    """What is kept of a label: ``start, start+step, ..`` (``size`` of them), scaled."""

    label: str
    start: int
    size: int
    step: int
    scale: int


def drawn(
    network: Network,
    keep: Mapping[str, float],
    seed: int | None,
    operation: str = "drawn",
) -> tuple[Share, ...]:
    """Draw what is kept of each label, as a function of ``seed`` and nothing else.

    Args:
        network: of which shares are kept.
        keep: for labels of its arrays, the share in (0, 1] to keep. At least one value
            of a label is kept.
        seed: an int. Which part of a label it draws is no matter of other labels.
        operation: what errors call it.

    Returns:
        The shares of those labels that are not kept whole.

    Raises:
        ArgumentError: a label is on no array, or its share not in (0, 1].

    >>> from tnconv.networks import conv_weight_vjp
    >>> network = conv_weight_vjp((8, 3, 9), (8, 4, 7), 3)
    >>> drawn(network, {"n": 0.5, "o0": 0.5}, seed=0)
    (Share(label='n', start=4, size=4, step=1, scale=2),
     Share(label='o0', start=1, size=3, step=2, scale=2))
    """
    shares = _checked(network, keep, operation)
    number = _checked_seed(seed, keep, operation)
    ways = _divided(network, tuple(shares))
    found = (
        _drawn(network.sizes[label], label, share, number, ways[label])
        for label, share in shares.items()
    )
    return tuple(share for share in found if share.scale > 1)


def part(network: Network, label: str, number: int, parts: int) -> Share:
    """Part ``number`` of ``parts`` of a label: every value is in exactly one of them.

    >>> from tnconv.networks import conv_weight_vjp
    >>> network = conv_weight_vjp((8, 3, 9), (8, 4, 7), 3)
    >>> part(network, "n", 0, 3), part(network, "o0", 1, 3)
    (Share(label='n', start=0, size=2, step=1, scale=3),
     Share(label='o0', start=1, size=2, step=3, scale=3))
    """
    way = _divided(network, (label,))[label]
    return _part(network.sizes[label], label, number, parts, way)


def kept(network: Network, shares: Iterable[Share]) -> Network:
    """The edit: the network on the shares of its labels alone, scaled.

    >>> from tnconv.networks import conv_weight_vjp
    >>> network = conv_weight_vjp((8, 3, 9), (8, 4, 7), 3)
    >>> kept(network, (Share("n", 4, 4, 1, 2),)).sizes["n"]
    4
    """
    scale = network.scale
    for share in shares:
        network = restrict(network, share.label, share.start, share.size, share.step)
        scale *= share.scale
    return Network.build(network.operands, network.output, network.sizes, scale)


@lru_cache(maxsize=1024)
def _divided(network: Network, labels: tuple[str, ...]) -> Mapping[str, str]:
    """How labels of arrays are divided together: "spread", "blocks" or "never".

    Residue classes of a label along a pattern, where patterns can say so beside those
    of the labels before it; no part can be taken of what a padding mode copies from.
    """
    legs = {label for op in network.patterns for label in op.labels}
    ways = {}
    for label in labels:
        ways[label] = "never"
        for way, step in (("spread", 2), ("blocks", 1)):
            if way == "spread" and label not in legs:
                continue
            size = min(2, (network.sizes[label] + 1) // 2)
            try:
                network = restrict(network, label, 0, size, step)
            except NetworkError:
                continue
            ways[label] = way
            break
    return ways


def _drawn(size: int, label: str, share: float, seed: int, way: str) -> Share:
    """One of ``parts`` parts, each as likely; their number is drawn where it must be.

    With ``q`` the probability of the smaller number ``s``, ``q/s + (1 - q)/(s + 1)`` is
    the share.
    """
    most = max(1, size)
    first, second = _uniform(seed, label)
    share = max(share, 1 / most)
    parts = int(1 / share)
    if first >= parts * (share * (parts + 1) - 1):
        parts += 1
    parts = min(parts, most)
    return _part(size, label, int(second * parts), parts, way)


def _part(size: int, label: str, number: int, parts: int, way: str) -> Share:
    if way == "spread":
        return Share(label, number, -(-(size - number) // parts), parts, parts)
    start, stop = size * number // parts, size * (number + 1) // parts
    return Share(label, start, stop - start, 1, parts)


def _uniform(seed: int, label: str) -> tuple[float, float]:
    """Two numbers in [0, 1) by hashing: the same everywhere, for neighboring seeds
    independent, and a stream for each label."""
    from hashlib import blake2b  # milliseconds that only a draw has to spend

    digest = blake2b(f"{seed} {label}".encode(), digest_size=16).digest()
    first, second = (int.from_bytes(digest[at : at + 8], "big") >> 11 for at in (0, 8))
    return first / 2**53, second / 2**53


def _checked(network: Network, keep: Any, operation: str) -> dict[str, float]:
    """The shares as floats, in the order of the network's labels."""
    if not isinstance(keep, Mapping):
        raise ArgumentError(
            f"{operation}: keep is {keep!r:.60}; give a mapping from labels to shares, "
            "as {'n': 0.5}"
        )
    read = tuple(dict.fromkeys(label for op in network.inputs for label in op.labels))
    for label, share in keep.items():
        if label not in read:
            listed = ", ".join(f"{name} ({network.sizes[name]})" for name in read)
            raise ArgumentError(
                f"{operation}: keep has {label!r}, which is on no array that is read "
                f"[labels: {listed}]; keep a share of one of these"
            )
        if _divided(network, (label,))[label] == "never":
            raise ArgumentError(
                f"{operation}: keep has {label!r}, which a padding mode copies from; "
                "keep a share of the output positions instead"
            )
        _check_share(operation, label, share)
    return {label: float(keep[label]) for label in read if label in keep}


def _check_share(operation: str, label: str, share: Any) -> None:
    number = not isinstance(share, bool) and hasattr(share, "__float__")
    if not number or not 0 < float(share) <= 1:
        raise ArgumentError(
            f"{operation}: keep has {share!r} for {label!r}; give a share in (0, 1]"
        )


def _checked_seed(seed: Any, keep: Mapping[str, float], operation: str) -> int:
    try:
        number = None if isinstance(seed, bool) else index(seed)
    except TypeError:
        number = None
    if number is None:
        raise ArgumentError(
            f"{operation}: keep={dict(keep)} with seed={seed!r}; give an int, and "
            "another one for every draw"
        )
    return number
