"""The table of docs/kfac.md: what a call gives is what the library it names computes.

The formulas are those libraries' own, on patches that PyTorch unfolds.
"""

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from math import prod, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tnconv

torch = pytest.importorskip("torch")

PAGE = Path(__file__).resolve().parents[1] / "docs" / "kfac.md"
ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| `(\w+\(.*\))`([^|]*)\|$", re.MULTILINE)


@dataclass(frozen=True)
class Setting:
    """A layer with a bias, its input and gradients, and what libraries make of them."""

    x: Any
    g: Any  # (columns, batch, channels, positions)
    groups: int
    hyper: dict[str, Any]

    @property
    def patches(self) -> Any:
        """PyTorch's unfolded input: (batch, groups, features, positions)."""
        known = {k: v for k, v in self.hyper.items() if k != "kernel_size"}
        found = torch.nn.functional.unfold(self.x, self.hyper["kernel_size"], **known)
        return found.unflatten(1, (self.groups, -1))

    @property
    def mean(self) -> Any:
        """Averaged over groups: (batch, 1, features, positions)."""
        return self.patches.mean(1, keepdim=True)


def with_ones(a: Any) -> Any:
    """Patches with a feature of ones at the end."""
    return torch.cat([a, torch.ones_like(a[..., :1, :])], -2)


def squared(a: Any) -> Any:
    """The sum over batch and positions of outer products, for each block."""
    return torch.einsum("nbfo,nbgo->bfg", a, a)


def outer(g: Any) -> Any:
    """The sum over columns, batch and positions of outer products."""
    return torch.einsum("vnco,vndo->cd", g, g)[None]


def kernel_first(a: Any, kernel: tuple[int, ...]) -> Any:
    """Features in the order (kernel, channel)."""
    split = a.unflatten(2, (-1, prod(kernel)))
    return split.swapaxes(2, 3).flatten(2, 3)


def einconv(s: Setting, name: str) -> Any:
    """The library itself."""
    module = pytest.importorskip(f"einconv.expressions.{name}")
    hyper = {k: v for k, v in s.hyper.items() if k != "kernel_size"}
    equation, operands, shape = module.einsum_expression(
        s.x.float(), s.hyper["kernel_size"], groups=s.groups, **hyper
    )
    wide = [operand.double() for operand in operands]
    wide[0] = s.x.reshape(operands[0].shape)
    return torch.einsum(equation, *wide).reshape(shape)


def einconv_transposed(s: Setting) -> Any:
    """Patches by unfoldNd, divided as einconv does; it offers one group's only here."""
    unfold_nd = pytest.importorskip("unfoldNd")
    hyper = {k: v for k, v in s.hyper.items() if k != "kernel_size"}
    columns = unfold_nd.unfold_transposeNd(s.x, s.hyper["kernel_size"], **hyper)
    a = columns.unflatten(1, (s.groups, -1))
    return squared(a.mean(-1, keepdim=True)) / len(s.x)


N, R = 3, 6
Formula = Callable[[Setting], Any]
FORMULAS: dict[tuple[str, str], Formula] = {
    ("einconv", "input, expand"): lambda s: einconv(s, "convNd_kfc"),
    ("einconv", "input, reduce"): lambda s: einconv(s, "convNd_kfac_reduce"),
    ("einconv", "transposed input, reduce"): einconv_transposed,
    ("singd, curvlinops", "input, expand"): lambda s: squared(
        with_ones(s.mean) / sqrt(N * R)
    ),
    ("singd, curvlinops", "input, reduce"): lambda s: (
        squared(with_ones(s.mean).mean(-1, keepdim=True)) / N
    ),
    ("singd, curvlinops", "output, expand, sum"): lambda s: outer(s.g[:1]),
    ("singd, curvlinops", "output, reduce, sum"): lambda s: outer(
        s.g[:1].sum(-1, keepdim=True)
    ),
    ("singd, curvlinops", "output, expand, mean over examples"): lambda s: outer(
        s.g[:1] * sqrt(N)
    ),
    ("singd, curvlinops", "output, reduce, mean over examples"): lambda s: outer(
        s.g[:1].sum(-1, keepdim=True) * sqrt(N)
    ),
    ("singd", "output, expand, mean over examples and positions"): lambda s: outer(
        s.g[:1] * sqrt(N * R)
    ),
    ("BackPACK", "input"): lambda s: squared(s.patches) / N,
    ("BackPACK", "output, from columns"): lambda s: outer(s.g.sum(-1, keepdim=True)),
    ("ASDL", "input"): lambda s: squared(s.patches) / R,
    ("ASDL", "output"): lambda s: outer(s.g[:1]),
    ("kfac-jax", "input"): lambda s: (
        squared(with_ones(kernel_first(s.patches, s.hyper["kernel_size"]))) / (N * R)
    ),
    ("kfac-jax", "output"): lambda s: outer(s.g[:1]) / (N * R),
    ("kronfluence", "input"): lambda s: squared(with_ones(s.mean)),
    ("kronfluence", "output"): lambda s: outer(s.g[:1]),
    ("nngeometry", "input"): lambda s: squared(s.patches) * sqrt(len(s.g)) / N,
    ("nngeometry", "output, from columns"): lambda s: (
        outer(s.g) / (R * N * sqrt(len(s.g)))
    ),
}
ROWS = ROW.findall(PAGE.read_text("utf-8"))
#: these refuse groups, or ignore them
ONE_GROUP = ("BackPACK", "kfac-jax", "ASDL", "nngeometry")


def setting(groups: int) -> Setting:
    """Three examples, 2 x 3 output positions, two columns."""
    generator = torch.Generator().manual_seed(groups)
    x, g = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((N, 4, 4, 6), (2, N, 6, 2, 3))
    )
    hyper: dict[str, Any] = {"kernel_size": (3, 2), "stride": 2, "padding": (1, 0)}
    return Setting(x, g.flatten(3), groups, hyper)


def called(s: Setting, text: str, more: str) -> Any:
    """The call of a row, on the setting's arrays."""
    node = ast.parse(text, mode="eval").body
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    how: dict[str, Any] = {
        k.arg or "": ast.literal_eval(k.value) for k in node.keywords
    }
    name = node.func.id
    if name == "kfac_output_factor":
        found = tnconv.kfac_output_factor(s.g if how.get("columns") else s.g[0], **how)
    else:
        found = getattr(tnconv, name)(s.x, groups=s.groups, **s.hyper, **how)
    root = sqrt(len(s.g))
    scale = {"": 1.0, "* sqrt(columns)": root, "/ sqrt(columns)": 1 / root}
    return found * scale[more.strip()]


@pytest.mark.parametrize(("library", "factor", "call", "more"), ROWS)
def test_a_row_of_the_table(library: str, factor: str, call: str, more: str) -> None:
    for groups in (1,) if library in ONE_GROUP else (1, 2):
        s = setting(groups)
        found, want = called(s, call, more), FORMULAS[library, factor](s)
        assert found.shape == want.shape
        limit = 1e-7 if library == "einconv" else 1e-12  # its scale is of float32
        np.testing.assert_allclose(found, want, rtol=limit, atol=limit)


def test_every_formula_has_its_row() -> None:
    assert {(library, factor) for library, factor, *_ in ROWS} == set(FORMULAS)
