"""`python -m benchmarks bound`: plans and peers in turn, beside their roofline."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from benchmarks.bound_table import summary
from benchmarks.page import bound
from tests.benchmarked import command

pytest.importorskip("torch")


def test_a_bound_is_measured_kept_and_shown(tmp_path: Path) -> None:
    out = tmp_path / "bound.json"
    words = ("bound", "--only", "3c3d/conv3", "--batch", "1", "--seconds", "0")
    printed = command(
        *words, "--plans", "2", "--operation", "forward", "--out", str(out)
    )
    assert re.search(r"\| forward \| 1 \| \d+\.\d\d \|", printed)
    known = json.loads(out.read_text("utf-8"))
    (row,) = known["cases"]
    assert row["best"] <= min(row["ours"], *(ms for _, _, ms in row["plans"]))
    assert row["peers"]
    assert row["arithmetic"] > 0
    assert printed.strip() in bound(known)
    assert command(*words, "--operation", "forward", "--out", str(out)) == printed


def test_lost_cases_stand_beside_their_roofline() -> None:
    row = {
        "operation": "forward", "layer": "slow", "ours": 2.0, "free": 1.8, "best": 1.6,
        "plan": "gemm", "peers": {"torch": 1.0, "einconv": 3.0},
        "arithmetic": 0.5, "memory": 0.8,
    }  # fmt: skip
    won = row | {"layer": "fast", "peers": {"torch": 4.0}}
    text = summary({"cases": [row, won]})
    assert "| forward | 2 | 1.00 | 0.50 | 1.11 | 0.56 | 1.25 | 0.62 | 2.50 |" in text
    lost = "| slow | 0.50 | 2.00 | 1.80 | 1.60 (gemm) | 1.00 (torch) | 0.50 | 0.80 |"
    assert lost in text
    assert "fast" not in text
