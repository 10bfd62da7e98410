"""``python -m benchmarks vgg``: its parts on little data, and its page."""

import importlib.util

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import torch
from benchmarks.vgg import RESULTS
from benchmarks.vgg.network import RATE, WIDTHS, fold, macs, thinner, trained
from benchmarks.vgg.page import DOC, page
from benchmarks.vgg.port import ported_ranks
from benchmarks.vgg.ways import Small, budgeted, by_noise, control, refitted

from tnconv_backends.torch.compress import compress


def test_two_epochs_of_training_are_better_than_chance() -> None:
    torch.manual_seed(0)
    found = trained(Small.dense(WIDTHS).model, fold(0), 2, seed=0, rate=3 * RATE)
    assert len(found["accuracy"]) == len(found["loss"]) == 3
    assert found["accuracy"][-1] > 30 and found["loss"][-1] < found["loss"][0]


def test_the_folds_are_a_partition() -> None:
    parts = [fold(seed) for seed in range(5)]
    assert sum(len(part.test_labels) for part in parts) == 1797
    assert all(len(part.labels) + len(part.test_labels) == 1797 for part in parts)


def test_every_way_keeps_its_budget() -> None:
    torch.manual_seed(0)
    dense, data = Small.dense(WIDTHS).model, fold(0)
    _, report = compress(dense, rank=1, example=data.batches(1)[0])
    assert report.total("macs")[0] == macs()  # type: ignore[index]
    small = budgeted(dense, data, "tucker2", 8)
    assert 0.9 * macs() / 8 < small.macs <= macs() / 8
    again = refitted(small, dense, data)
    fresh = control("random", small, 8, seed=1)
    for other in (again, fresh):
        assert other.cost == small.cost
        shapes = [p.shape for p in other.model.parameters()]
        assert shapes == [p.shape for p in small.model.parameters()]
    thin = control("thin", small, 8, seed=1)
    assert 0.7 * macs() / 8 < thin.macs == macs(thinner(1 / 8)) <= macs() / 8
    weak = by_noise(dense, data, "weakened")
    assert weak is not None and weak.params < report.parameters[0]


@pytest.mark.skipif(importlib.util.find_spec("musco") is not None, reason="is there")
def test_the_ported_ranks_need_their_package() -> None:
    assert ported_ranks(Small.dense(WIDTHS).model) is None


def test_the_page_is_what_the_command_makes_of_the_kept_results() -> None:
    assert DOC.read_text("utf-8") == page(RESULTS)
