"""Figures, tables and the page of results."""

from __future__ import annotations

import json
import re

import pytest
from benchmarks import layers, places, summary
from benchmarks.compact import pack, unpack
from benchmarks.page import (
    BOUNDS,
    CHOICES,
    KEPT,
    PAGE,
    kept,
    page,
    picture_of,
    section,
)
from benchmarks.record import Measured, Results, load
from tests.benchmarked import HEADER


def case(layer: str, turn: int = 1, **seconds: float) -> Measured:
    """A case with times, and a extra memory of a tenth."""
    return Measured(
        "forward",
        layer,
        turn,
        patterns=1,
        given=6 * 1024,
        result=4 * 1024,
        seconds=seconds,
        extra={"tnconv": 1024},
    )


RESULTS = Results(
    HEADER,
    (
        case("a", tnconv=2.0, torch=1.0, einconv=8.0, again=1.1),
        case("b", tnconv=1.0, torch=2.0, again=2.0),
        case("a", 2, tnconv=1.0, torch=0.9),
        Measured("forward", "c", cannot={"torch": "too large: 3 GiB"}),
    ),
)


def test_figures_of_a_run() -> None:
    low, high = summary.rows(RESULTS, "forward")
    assert (low.measured.layer, low.ratios, low.repeated) == ("a", (0.5, 0.9), 0.9)
    assert (high.peer, high.ratios, high.share) == ("torch", (2.0,), {"tnconv": 0.1})
    assert summary.geomean(row.ratios[0] for row in (low, high)) == pytest.approx(1.0)
    assert summary.against([low, high]) == {"torch": [0.5, 2.0], "einconv": [4.0]}
    assert summary.resolution([low, high], "torch") == [1.0, 1.1]
    assert summary.refusals(RESULTS, "forward") == {"torch": {"too large": ["c"]}}


def test_the_compact_form_says_the_same() -> None:
    known = unpack(json.loads(pack(RESULTS)))
    assert known == RESULTS


def test_layers_are_chosen_by_a_fixed_spread() -> None:
    every = layers.select()
    assert len(every) == 222 and len({layer.name for layer in every}) == 222
    few = layers.select(sample=5)
    assert len(few) == 5 and few == layers.select(sample=5)
    sizes = sorted(layer.macs for layer in few)
    assert sizes[0] == min(layer.macs for layer in every)
    assert sizes[-1] == max(layer.macs for layer in every)
    assert all(layer.macs <= 1e6 for layer in layers.select(max_macs=1e6))


def test_a_section_names_the_gpu_it_was_measured_on() -> None:
    facts = {"cores": 16, "cpu": "Some CPU", "threads": 8, "date": "2026-11-26"}
    gpu = HEADER | facts | {"device": "cuda", "gpu": "Some GPU"}
    text = section(Results(gpu, RESULTS.cases))
    assert text.startswith("## On PyTorch, Some GPU\n")
    assert "and one Some GPU, " in text and "results-torch-cuda.png" in text
    assert picture_of(HEADER) == "torch"
    assert picture_of(gpu | {"backend": "cupy"}) == "cupy"


def test_a_call_on_a_device_ends_when_the_device_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    monkeypatch.setattr("torch.cuda.synchronize", done.append)
    assert places.finished(lambda: 3, "cuda:1")() == 3
    assert done == ["cuda:1"]
    call = object
    assert places.finished(call, places.CPU) is call


def test_the_page_is_what_the_command_makes_of_the_kept_results() -> None:
    files = sorted(KEPT.glob("*.json"))
    assert files and sum(path.stat().st_size for path in files) < 300_000
    text = PAGE.read_text("utf-8")
    assert text == page([load(path) for path in files], kept(BOUNDS), kept(CHOICES))
    pictures = re.findall(r"\]\((.*\.png)\)", text)
    assert pictures and all((PAGE.parent / name).exists() for name in pictures)
