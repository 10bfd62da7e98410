"""`python -m benchmarks hyper`: plans of large networks beside cotengra's own."""

from __future__ import annotations

import re

import pytest
from benchmarks.hyper.networks import NETWORKS, network
from tests.benchmarked import command

from tnconv.planning.engine import EXACT

pytest.importorskip("cmaes")


def test_a_network_is_searched_compared_and_timed() -> None:
    words = ("--only", "Tucker-2 layers", "--trials", "1", "--seconds", "0")
    printed = command("hyper", *words, "--backend", "numpy")
    rows = re.findall(r"^\| (.*Tucker-2 layers) \| (.*) \|$", printed, re.MULTILINE)
    assert len(rows) == 4  # two networks, searched and timed
    for _, cells in rows[:2]:
        one, hyper = map(float, cells.split(" | ")[2:4])
        assert 0 < hyper <= one
    for _, cells in rows[2:]:
        assert all(float(cell) > 0 for cell in cells.split(" | "))


@pytest.mark.parametrize("name", NETWORKS)
def test_they_are_beyond_the_exact_search(name: str) -> None:
    assert len(network(name).operands) > 25 > EXACT
