"""The benchmark of factorised convolutions: its peers, its cases, its page."""

import argparse
import json
from typing import Any

import pytest
from benchmarks import factorized
from benchmarks.factorized.page import PAGE, PEERS, losses, paged, tables
from benchmarks.layers import select

RESULTS = PAGE.parents[1] / "benchmarks" / "results" / "factorised"


@pytest.mark.parametrize("format", factorized.FORMATS)
def test_every_peer_gives_the_same_result(format: str) -> None:
    """A wrong result ends the command; here a small strided layer, once."""
    pytest.importorskip("torch")
    (layer,) = select("alexnet_256/features.0")
    options = argparse.Namespace(threads=1, seconds=0.0, tuned=None)
    found = factorized.measured((layer, 1, format, 0.25), options)
    assert set(found["us"]) == {*PEERS, "tnconv", "again"}


def test_a_tuned_plan_is_timed_beside_the_default_one() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("filelock")
    (layer,) = select("alexnet_256/features.0")
    options = argparse.Namespace(threads=1, seconds=0.0, tuned=0.05)
    found = factorized.measured((layer, 1, "svd-in", 0.25), options)
    assert set(found["us"]) == {*PEERS, "tnconv", "tuned", "again"}


def test_losses_are_listed_the_worst_first() -> None:
    def row(name: str, ours: int, tuned: int) -> dict[str, Any]:
        us = {"dense": 300, "reconstruct": 400, "textbook": 100, "again": 102}
        us |= {"tnconv": ours, "tuned": tuned}
        more = {
            "batch": 1,
            "format": "cp",
            "ranks": [2],
            "share": 0.5,
            "plan": ["gemm"],
        }
        return {"layer": name, "us": us, **more}

    rows = [row("near", 110, 90), row("lost", 120, 100), row("worse", 90, 130)]
    text = losses(rows, ["tnconv", "tuned"])
    names = [line.split(",")[0] for line in text.splitlines()[2:]]
    assert names == ["| worse", "| lost"]
    assert "| 0.90 | 1.30 | 1.02 |" in text
    (whole,) = [
        line for line in tables(rows).splitlines() if "| all | 3 | 1.20" in line
    ]
    assert "| 67% |" in whole


def test_the_page_is_what_the_command_makes_of_the_kept_results() -> None:
    rows: list[dict[str, Any]] = []
    for path in sorted(RESULTS.glob("*.json")):
        rows += json.loads(path.read_text("utf-8"))["cases"]
    page = PAGE.read_text("utf-8")
    assert rows and page == paged(page, tables(rows))
