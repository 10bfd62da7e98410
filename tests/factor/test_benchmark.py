"""The benchmark of factorised convolutions: its peers, its cases, its page."""

import argparse
import json
from typing import Any

import pytest
from benchmarks import factorized
from benchmarks.layers import select

RESULTS = factorized.PAGE.parents[1] / "benchmarks" / "results" / "factorised"


@pytest.mark.parametrize("format", factorized.FORMATS)
def test_every_peer_gives_the_same_result(format: str) -> None:
    """A wrong result ends the command; here a small strided layer, once."""
    pytest.importorskip("torch")
    (layer,) = select("alexnet_256/features.0")
    options = argparse.Namespace(threads=1, seconds=0.0)
    found = factorized.measured((layer, 1, format, 0.25), options)
    assert set(found["us"]) == {*factorized.PEERS, "tnconv"}


def test_the_page_is_what_the_command_makes_of_the_kept_results() -> None:
    rows: list[dict[str, Any]] = []
    for path in sorted(RESULTS.glob("*.json")):
        rows += json.loads(path.read_text("utf-8"))["cases"]
    page = factorized.PAGE.read_text("utf-8")
    assert rows and page == factorized.paged(page, factorized.tables(rows))
