"""Networks beyond the exact search, in notation."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import tnconv
from tnconv.network import Network

Shape = tuple[int, ...]
#: the operands of a kernel from channels c to d in layer j, and their shapes
Kernel = Callable[[int, int, int], tuple[str, list[Shape]]]


def dense(j: int, c: int, d: int) -> tuple[str, list[Shape]]:
    """A kernel as it is, 3x3."""
    return f"c{j + 1} c{j} s{j} t{j}", [(d, c, 3, 3)]


def tucker(
    j: int, c: int, d: int, ranks: tuple[int, int] = (12, 16)
) -> tuple[str, list[Shape]]:
    """Tucker-2: channels down, a small core, channels up."""
    r, q = ranks
    text = f"r{j} c{j}, q{j} r{j} s{j} t{j}, c{j + 1} q{j}"
    return text, [(r, c), (q, r, 3, 3), (d, q)]


def train(j: int, c: int, d: int, rank: int = 8) -> tuple[str, list[Shape]]:
    """A tensor train over in-channels, both positions, out-channels."""
    text = f"c{j} r{j}, r{j} s{j} q{j}, q{j} t{j} p{j}, p{j} c{j + 1}"
    return text, [(c, rank), (rank, 3, rank), (rank, 3, rank), (rank, d)]


def ring(j: int, c: int, d: int, rank: int = 5) -> tuple[str, list[Shape]]:
    """A ring of matrix products, the channels split in two."""
    legs = [f"x{j + 1}", f"y{j + 1}", f"x{j}", f"y{j}", f"s{j}", f"t{j}"]
    sizes = [4, d // 4, 4, c // 4, 3, 3]
    sites = [f"v{j}_{k} {leg} v{j}_{(k + 1) % 6}" for k, leg in enumerate(legs)]
    return ", ".join(sites), [(rank, size, rank) for size in sizes]


def layers(
    kernel: Kernel,
    channels: Sequence[int],
    size: int,
    batch: int = 4,
    split: bool = False,
) -> tuple[str, list[Shape]]:
    """Layers in a row, their patterns last."""
    last = len(channels) - 1
    name = "(x{0} y{0})" if split else "c{0}"
    operands = [f"n {name.format(0)} a0 b0"]
    shapes: list[Shape] = [(batch, channels[0], size, size)]
    patterns = []
    for j in range(last):
        text, own = kernel(j, channels[j], channels[j + 1])
        operands.append(text)
        shapes += own
        patterns += [f"a{j} ~ a{j + 1} + s{j}", f"b{j} ~ b{j + 1} + t{j}"]
    text = ", ".join([*operands, *patterns])
    return f"{text} -> n {name.format(last)} a{last} b{last}", shapes


def gram(text: str, shapes: list[Shape]) -> tuple[str, list[Shape]]:
    """Products of the results for all pairs of examples."""
    operands, result = text.split(" -> ")
    batch, *summed = result.split()
    copy = re.sub(r"\b([a-z]\w*)\b", r"\1_", operands)
    for label in summed:
        copy = re.sub(rf"\b{label}_", label, copy)
    return f"{operands}, {copy} -> {batch} {batch}_", [*shapes, *shapes]


NETWORKS: dict[str, tuple[str, list[Shape]]] = {
    "nine layers": layers(dense, (3, 16, 16, 32, 32, 32, 64, 64, 64, 64), 32),
    "five Tucker-2 layers": layers(tucker, (16, 32, 32, 64, 64, 64), 32),
    "five tensor-train layers": layers(train, (16, 32, 32, 64, 64, 64), 32),
    "four tensor-ring layers": layers(ring, (16, 32, 32, 64, 64), 24, split=True),
    "Gram matrix of three Tucker-2 layers": gram(
        *layers(lambda j, c, d: tucker(j, c, d, (6, 12)), (8, 16, 32, 32), 20, 8)
    ),
}


def network(name: str) -> Network:
    """One of them."""
    text, shapes = NETWORKS[name]
    return tnconv.parse(text, shapes=shapes)
