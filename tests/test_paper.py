"""The tables of docs/paper.md: every einsum, with dense patterns, against its call."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tnconv

PAGE = Path(__file__).resolve().parents[1] / "docs" / "paper.md"
ROW = re.compile(r"^\| ([^|]+) \| (`[^|]+->[^|]+) \| `(\w+)(\(.*\))` \|$", re.MULTILINE)
TERM = re.compile(r"`([a-zA-Z,]+->[a-zA-Z]+)` ([^`+]+)")
ROWS = ROW.findall(PAGE.read_text("utf-8"))


def arguments() -> dict[str, Any]:
    """What the calls name."""
    rng = np.random.default_rng(0)
    shapes = {
        **{"x": (2, 4, 7), "w": (6, 2, 3), "b": (6,), "y": (2, 6, 4)},
        **{"s": (3, 2, 6, 4), "tx": (2, 4, 7), "tw": (6, 2, 3), "u": (2, 12, 4)},
        **{"h": (2, 6, 4, 6, 4), "q": (3, 2), "a": (2, 6, 6), "f": (2, 3, 3)},
        **{"st": (3, 2, 4, 7), "qa": (2, 6, 6), "qb": (2, 3, 3)},
    }
    window = {"stride": 2, "padding": 1}
    found: dict[str, Any] = {k: rng.standard_normal(s) for k, s in shapes.items()}
    return found | {"window": window, "layer": {**window, "groups": 2}}


def tensors(known: dict[str, Any]) -> dict[str, Any]:
    """The same as the einsums read them: channels in groups, patterns as arrays."""
    i, o, k = np.ogrid[:7, :4, :3]
    shapes = {
        **{"X": ("x", (2, 2, 2, 7)), "W": ("w", (2, 3, 2, 3)), "b": ("b", (2, 3))},
        **{"Y": ("y", (2, 2, 3, 4)), "S": ("s", (3, 2, 2, 3, 4))},
        **{"St": ("st", (3, 2, 2, 2, 7))},
        **{"Tx": ("tx", (2, 2, 2, 7)), "Tw": ("tw", (2, 3, 2, 3))},
        **{"U": ("u", (2, 2, 2, 3, 4)), "H": ("h", (2, 2, 3, 4, 2, 3, 4))},
        **{"Tm": ("tw", (2, 3, 6)), "Q": ("q", (3, 2)), "A": ("a", (2, 6, 6))},
        **{"F": ("f", (2, 3, 3)), "Qa": ("qa", (2, 2, 3, 6)), "Qb": ("qb", (2, 3, 3))},
    }
    found = {k: known[name].reshape(s) for k, (name, s) in shapes.items()}
    ones = {"1n": np.ones(2), "1o": np.ones(4), "Eg": np.eye(2), "Ed": np.eye(3)}
    return found | ones | {"P": (i == 2 * o + k - 1) * 1.0}


@pytest.mark.parametrize(("what", "einsum", "name", "call"), ROWS)
def test_a_row(what: str, einsum: str, name: str, call: str) -> None:
    known = arguments()
    found = eval(f"function{call}", {"function": getattr(tnconv, name), **known})
    arrays = tensors(known)
    want = sum(
        np.einsum(equation, *[arrays[t] for t in names.split()], optimize=True)
        for equation, names in TERM.findall(einsum)
    )
    np.testing.assert_allclose(found, np.reshape(want, found.shape), atol=1e-12)
    assert np.abs(want).max() > 0.1


def test_every_row_of_the_page_is_run() -> None:
    lines = PAGE.read_text("utf-8").splitlines()
    assert len(ROWS) == sum("->" in line and line.startswith("|") for line in lines)
    assert len(ROWS) >= 24
