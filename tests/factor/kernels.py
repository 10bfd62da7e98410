"""Drawn factorized kernels, and their dense weights by plain loops over the ranks."""

from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tnconv.factor import FORMATS, FactorizedKernel, KernelShape, rank_caps
from tnconv.factor.formats import factor_legs, format_network

#: what :func:`subscripts` writes for the letters of a factor, format by format: an
#: oracle of its own, for up to three spatial axes (x y z), from input c to output d
TERMS = {
    "svd-in": "dr{k},rc",
    "svd-out": "dr,rc{k}",
    "svd-spatial": "dr{rest},rc{first}",
    "cp": "dr,cr{,kr}",
    "cp3": "dr,cr,{k}r",
    "tucker2": "dp,pq{k},cq",
    "tucker": "dp,cq{,ks},pq{s}",
    "tt": "{chain}",
    "tr": "{ring}",
}


def einsum_dense(kernel: FactorizedKernel) -> Any:
    """The dense weight by NumPy's einsum, from subscripts written for each format."""
    terms, output = subscripts(kernel)
    factors = [np.asarray(f) for f in kernel.factors]
    found = np.einsum(f"{','.join(terms)}->{output}", *factors, optimize=True)
    return found.reshape(kernel.shape)


def pulled_back(kernel: FactorizedKernel, gradient: Any) -> list[Any]:
    """The gradients of the factors from that of the weight, by einsum as well."""
    terms, output = subscripts(kernel)
    sizes = kernel.kernel_shape.sizes
    names = {**dict(zip("xyz", ("k0", "k1", "k2"), strict=True)), "g": "g"}
    legs = [sizes[names.get(letter, letter)] for letter in output]
    given = [*map(np.asarray, kernel.factors), gradient.reshape(legs)]
    found = []
    for at, term in enumerate(terms):
        others = [a for j, a in enumerate([*terms, output]) if j != at]
        arrays = [a for j, a in enumerate(given) if j != at]
        text = f"{','.join(others)}->{term}"
        found.append(np.einsum(text, *arrays, optimize=True))
    return found


def subscripts(kernel: FactorizedKernel) -> tuple[list[str], str]:
    """The letters of every factor, and of the weight with its groups apart."""
    axes = len(kernel.shape) - 2
    k, bonds, s = "xyz"[:axes], "uvwm"[: axes + 1], "ijl"[:axes]
    cores = [f"{bonds[j]}{a}{bonds[j + 1]}" for j, a in enumerate(k)]
    inner = "".join(f"{core}," for core in cores)
    text = TERMS[kernel.format].format_map(
        {
            "k": k,
            "first": k[:1],
            "rest": k[1:],
            "s": s,
            ",kr": "".join(f",{a}r" for a in k),
            ",ks": "".join(f",{a}{b}" for a, b in zip(k, s, strict=True)),
            "chain": f"c{bonds[0]},{inner}{bonds[axes]}d",
            "ring": f"tc{bonds[0]},{inner}{bonds[axes]}dt",
        }
    )
    first, second = ("c", "d") if kernel.transposed else ("d", "c")
    group = "g" if kernel.groups > 1 else ""
    terms = [group + term for term in text.split(",")]
    return terms, f"{group}{first}{second}{k}"


@st.composite
def kernels(
    draw: st.DrawFn,
    shape: tuple[int, ...] | None = None,
    groups: int = 1,
    transposed: bool = False,
    integers: bool = False,
) -> FactorizedKernel:
    """A kernel of any format, of ranks up to 4 and their caps, for a dense shape."""
    if shape is None:
        axes = draw(st.integers(0, 3))
        groups = draw(st.sampled_from([1, 1, 2, 3]))
        transposed = draw(st.booleans())
        channels = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
        spatial = draw(st.tuples(*[st.integers(1, 3)] * axes))
        shape = (channels[0] * groups, channels[1], *spatial)
    few = ("svd-spatial",) if len(shape) < 4 else ()
    format = draw(st.sampled_from([name for name in FORMATS if name not in few]))
    whole = KernelShape(shape, groups, transposed)
    caps = rank_caps(format, whole)
    ranks = tuple(draw(st.integers(1, min(cap, 4))) for cap in caps.values())
    network = format_network(format, whole, ranks)
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    arrays = tuple(
        rng.integers(-3, 4, s) if integers else rng.normal(size=s)
        for s in network.arguments.values()
    )
    return FactorizedKernel.of(
        format, shape, arrays, groups=groups, transposed=transposed
    )


def textbook_macs(kernel: FactorizedKernel, output: int, inside: int) -> int:
    """Multiply-adds of Tucker-2, CP and SVD chains on square maps, formulas as printed
    in their papers."""
    sizes, axes = kernel.kernel_shape.sizes, len(kernel.shape) - 2
    d, c, g = sizes["d"], sizes["c"], kernel.groups
    k = [sizes[f"k{j}"] for j in range(axes)]
    at_in, at_out = prod([inside] * axes), prod([output] * axes)
    span: int = prod(k)
    taps: int = at_in if kernel.transposed else at_out
    if kernel.format == "tucker2":
        p, q = kernel.ranks
        return g * (c * q * at_in + p * q * span * taps + p * d * at_out)
    r = kernel.ranks[0]
    if kernel.format == "svd-in":
        return g * (c * r * at_in + r * d * span * taps)
    if kernel.format == "svd-out":
        return g * (c * r * span * taps + r * d * at_out)
    assert kernel.format == "cp3"
    return g * r * (c * at_in + span * taps + d * at_out)


__all__ = ["FORMATS", "einsum_dense", "factor_legs", "kernels", "textbook_macs"]
