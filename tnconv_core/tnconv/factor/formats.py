"""Formats of factorized kernels, as data: which factor carries which legs.

Legs of a kernel are ``d`` (channels out), ``c`` (channels in) and ``k0``, ``k1``, ..; a
grouped kernel has ``g`` too, the first axis of every factor. All other labels are
bonds, whose sizes are the ranks, in the order in which the factors name them.

| format | factors |
|---|---|
| ``svd-in`` | out (d r k..), in (r c) |
| ``svd-out`` | out (d r), in (r c k..) |
| ``svd-spatial`` | out (d r k1..), in (r c k0) |
| ``cp`` | out (d r), in (c r), k0 (k0 r), k1 (k1 r), .. |
| ``cp3`` | out (d r), in (c r), kernel (k.. r) |
| ``tucker2`` | out (d p), core (p q k..), in (c q) |
| ``tucker`` | out (d p), in (c q), k0 (k0 s0), .., core (p q s0 ..) |
| ``tt`` | in (c r0), k0 (r0 k0 r1), .., out (rN d) |
| ``tr`` | in (t c r0), k0 (r0 k0 r1), .., out (rN d t) |

Sources: Zhang et al., TPAMI 2016 (svd-out), Jaderberg et al., BMVC 2014 (svd-spatial),
Lebedev et al., ICLR 2015 (cp), Kim et al., ICLR 2016 (tucker2), Oseledets, SIAM J. Sci.
Comput. 2011 (tt), Zhao et al., 2016 (tr).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tnconv.axis import Axis
from tnconv.errors import ArgumentError
from tnconv.network import Input, Network
from tnconv.networks.checks import Shape, Site, is_list

Legs = Mapping[str, tuple[str, ...]]
#: the format of a kernel whose network the user wrote
CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class KernelShape:
    """The shape of a dense weight and what its axes are.

    ``shape`` is (out_channels, in_channels/groups, *kernel_size), or that of a
    transposed convolution, (in_channels, out_channels/groups, *kernel_size); a linear
    layer is a kernel without spatial axes.

    >>> KernelShape((8, 3, 5), groups=2).sizes
    {'g': 2, 'd': 4, 'c': 3, 'k0': 5}
    """

    shape: Shape
    groups: int = 1
    transposed: bool = False

    def __post_init__(self) -> None:
        site = Site.of("factorized kernel", weight=self.shape)
        object.__setattr__(self, "shape", site.shapes["weight"])
        if len(self.shape) < 2 or min(self.shape) < 1:
            raise site.error(
                f"a weight of shape {self.shape} has no factors",
                "give two channel sizes and the kernel sizes, all of at least 1",
            )
        site.groups(self.groups, **{"the first size of weight": self.shape[0]})

    @property
    def kernel(self) -> tuple[str, ...]:
        """The labels of the kernel positions."""
        return tuple(f"k{axis}" for axis in range(len(self.shape) - 2))

    @property
    def sizes(self) -> dict[str, int]:
        """The size of every leg; ``g`` only where there are groups."""
        first, second = self.shape[0] // self.groups, self.shape[1]
        out, into = (second, first) if self.transposed else (first, second)
        grouped = {"g": self.groups} if self.groups > 1 else {}
        spatial = dict(zip(self.kernel, self.shape[2:], strict=True))
        return {**grouped, "d": out, "c": into, **spatial}

    @property
    def output(self) -> tuple[Axis, ...]:
        """The axes of the dense weight."""
        first, second = ("c", "d") if self.transposed else ("d", "c")
        outer = ("g", first) if self.groups > 1 else (first,)
        channels = Axis.of(self.shape[0], *outer, sizes=self.sizes)
        return (channels, *_plain((second, *self.kernel), self.sizes))


def _svd_spatial(k: tuple[str, ...]) -> Legs:
    if len(k) < 2:
        raise ArgumentError(
            f"factorized kernel: 'svd-spatial' parts spatial axes, the weight has "
            f"{len(k)}; use 'svd-in' or 'svd-out'"
        )
    return {"out": ("d", "r", *k[1:]), "in": ("r", "c", k[0])}


def _chain(k: tuple[str, ...], first: str, last: str) -> Legs:
    cores = {name: (f"r{j}", name, f"r{j + 1}") for j, name in enumerate(k)}
    ends = {"in": (*first, "c", "r0")}, {"out": (f"r{len(k)}", "d", *last)}
    return {**ends[0], **cores, **ends[1]}


#: name -> the legs of every factor, from the labels of the kernel positions
FORMATS: Mapping[str, Callable[[tuple[str, ...]], Legs]] = {
    "svd-in": lambda k: {"out": ("d", "r", *k), "in": ("r", "c")},
    "svd-out": lambda k: {"out": ("d", "r"), "in": ("r", "c", *k)},
    "svd-spatial": _svd_spatial,
    "cp": lambda k: {"out": ("d", "r"), "in": ("c", "r")} | {a: (a, "r") for a in k},
    "cp3": lambda k: {"out": ("d", "r"), "in": ("c", "r"), "kernel": (*k, "r")},
    "tucker2": lambda k: {"out": ("d", "p"), "core": ("p", "q", *k), "in": ("c", "q")},
    "tucker": lambda k: (
        {"out": ("d", "p"), "in": ("c", "q")}
        | {a: (a, f"s{a[1:]}") for a in k}
        | {"core": ("p", "q", *(f"s{a[1:]}" for a in k))}
    ),
    "tt": lambda k: _chain(k, "", ""),
    "tr": lambda k: _chain(k, "t", "t"),
}


def factor_legs(format: str, kernel: KernelShape) -> Legs:
    """Name -> labels of every factor of a format, in order.

    >>> factor_legs("tucker2", KernelShape((8, 4, 3), groups=2))["core"]
    ('g', 'p', 'q', 'k0')
    """
    if not isinstance(format, str) or format not in FORMATS:
        raise ArgumentError(
            f"factorized kernel: format {format!r:.60} is not known; give one of "
            f"{', '.join(FORMATS)}, or a Network that gives the weight"
        )
    group = ("g",) if kernel.groups > 1 else ()
    return {name: (*group, *a) for name, a in FORMATS[format](kernel.kernel).items()}


def bonds(network: Network) -> tuple[str, ...]:
    """The labels that are summed, as the factors name them; their sizes are ranks."""
    seen = dict.fromkeys(a for op in network.operands for a in op.labels)
    return tuple(label for label in seen if label not in network.output_labels)


def format_network(
    format: str, kernel: KernelShape, ranks: int | Sequence[int]
) -> Network:
    """The network of a kernel in a format: factors in, dense weight out.

    ``ranks`` are ints from 1 up to :func:`rank_caps`, one per bond; an int stands for
    all bonds. Raises ArgumentError for any other, and for an unknown format.

    >>> network = format_network("tucker2", KernelShape((8, 4, 3, 3)), (5, 2))
    >>> network.shape, network.arguments["core"]
    ((8, 4, 3, 3), (5, 2, 3, 3))
    """
    caps = rank_caps(format, kernel)
    found = check_ranks(format, kernel, ranks)
    for (bond, cap), rank in zip(caps.items(), found, strict=True):
        if rank > cap:
            raise ArgumentError(
                f"factorized kernel: {format!r} has rank {rank} on bond {bond!r}, and "
                f"a weight of shape {kernel.shape}{_grouped(kernel)} none above {cap}; "
                f"give ranks of at most {tuple(caps.values())}"
            )
    return _network(format, kernel, tuple(zip(caps, found, strict=True)))


def check_ranks(
    format: str, kernel: KernelShape, ranks: int | Sequence[int]
) -> tuple[int, ...]:
    """Ranks as one int per bond; refuses a wrong count, and what is no int from 1."""
    names = tuple(rank_caps(format, kernel))
    site = Site.of("factorized kernel", weight=kernel.shape)
    given: Sequence[Any] = ranks if is_list(ranks) else (ranks,) * len(names)  # type: ignore[assignment]
    if len(given) != len(names):
        raise site.error(
            f"{format!r} has {len(names)} ranks ({', '.join(names)}), got {len(given)}",
            f"give an int or {len(names)} ints",
        )
    return tuple(site.whole("ranks", rank, 1) for rank in given)


def ranks_of(
    format: str, kernel: KernelShape, factors: Sequence[Any]
) -> tuple[int, ...]:
    """The ranks that the factors' shapes say; every factor is checked later."""
    legs = factor_legs(format, kernel)
    found: dict[str, int] = {}
    for labels, factor in zip(legs.values(), factors, strict=False):
        shape = tuple(getattr(factor, "shape", ()))
        found |= {
            a: int(n) for a, n in zip(labels, shape, strict=False) if a not in found
        }
    wanted = dict.fromkeys(a for labels in legs.values() for a in labels)
    ranks = [found.get(a, 1) for a in wanted if a not in kernel.sizes]
    return check_ranks(format, kernel, ranks)


def rank_caps(format: str, kernel: KernelShape) -> dict[str, int]:
    """Bond -> the largest rank that means anything, whatever the other ranks are.

    Taking a bond away leaves parts of the network: their legs span so many dimensions,
    all but the largest part. (A ring stays in one part: there the factors count.)

    >>> rank_caps("tucker2", KernelShape((64, 16, 3, 3)))
    {'p': 64, 'q': 16}
    """
    legs, sizes = factor_legs(format, kernel), kernel.sizes
    names = dict.fromkeys(a for labels in legs.values() for a in labels)
    sets = [set(labels) for labels in legs.values()]
    return {bond: _cap(bond, sets, sizes) for bond in names if bond not in sizes}


def _cap(bond: str, factors: Sequence[set[str]], sizes: Mapping[str, int]) -> int:
    parts: list[set[str]] = []
    for labels in factors:
        own = labels - {bond, "g"}
        for part in [part for part in parts if part & own]:
            parts.remove(part)
            own |= part
        parts.append(own)
    spans = [_span(part, sizes) for part in parts]
    if len(spans) == 1:
        spans = [_span(labels - {"g"}, sizes) for labels in factors]
    spans.remove(max(spans))
    cap = 1
    for span in spans:
        cap *= span
    return cap


def _span(labels: set[str], sizes: Mapping[str, int]) -> int:
    span = 1
    for label in labels:
        span *= sizes.get(label, 1)
    return span


@lru_cache(maxsize=1024)
def _network(
    format: str, kernel: KernelShape, ranks: tuple[tuple[str, int], ...]
) -> Network:
    """One object for kernels that are alike: a call is looked up by it, and what is the
    same needs no comparing."""
    sizes = {**kernel.sizes, **dict(ranks)}
    legs = factor_legs(format, kernel)
    operands = (Input(name, _plain(labels, sizes)) for name, labels in legs.items())
    return Network.build(operands, kernel.output, sizes)


def _plain(labels: Sequence[str], sizes: Mapping[str, int]) -> tuple[Axis, ...]:
    return tuple(Axis(sizes[label], ((label, 1),)) for label in labels)


def _grouped(kernel: KernelShape) -> str:
    return f" in {kernel.groups} groups" if kernel.groups > 1 else ""
