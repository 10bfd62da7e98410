"""``python -m benchmarks dropout``: its parts on little data, and its page."""

import re
from pathlib import Path

import pytest
from tests.benchmarked import command

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from benchmarks.dropout import PARTS, RESULTS
from benchmarks.dropout.page import PAGE, page
from benchmarks.dropout.train import run
from benchmarks.rows import read


def test_one_epoch_of_training_is_better_than_chance() -> None:
    found = run({"i0": 0.5}, seed=0, epochs=1)
    assert found["accuracy"][-1] > 30 and found["ms"] > 0


def test_layers_are_measured_and_those_done_are_skipped(tmp_path: Path) -> None:
    words = ("dropout", "layers", "--results", str(tmp_path), "--batch", "2")
    few = (*words, "--only", "3c3d/conv", "--least", "0", "--seconds", "0")
    assert "time is up" in command(*few)
    command(*few)
    first, second = read(tmp_path, "layers")["rows"]
    assert first["layer"] != second["layer"]
    assert {"exact", "n", "c", "d", "i0", "o0"} < set(first)


def test_the_page_is_what_the_command_makes_of_the_kept_results() -> None:
    text = PAGE.read_text("utf-8")
    assert text == page(RESULTS)
    pictures = re.findall(r"\]\((.*\.png)\)", text)
    assert pictures and all((PAGE.parent / name).exists() for name in pictures)
    assert set(re.findall(r"benchmarks dropout (\w+)", text)) <= set(PARTS)
