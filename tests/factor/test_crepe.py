"""The benchmark of CREPE: its sounds, its network without the weights, its page."""

import argparse
import json
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks.crepe import network, page, run, tones  # noqa: E402

RESULTS = page.PAGE.parents[1] / "benchmarks" / "results" / "crepe" / "torch.json"


def test_the_page_is_what_the_command_makes_of_the_kept_results() -> None:
    rows = json.loads(RESULTS.read_text("utf-8"))["networks"]
    text = page.PAGE.read_text("utf-8")
    assert rows and text == page.paged(text, page.tables(rows))


def test_tones_have_the_pitch_that_they_are_labelled_with() -> None:
    """By the strongest of many candidate pitches, with all harmonics, without noise."""
    frames, pitch = tones.tones(6, seed=0, noise=60.0)
    time = (np.arange(network.FRAME) - network.FRAME / 2) / network.RATE
    window = np.hanning(network.FRAME)
    for frame, true in zip(frames[:, 0].numpy(), pitch.numpy(), strict=True):
        cents = np.arange(-300, 301, 10)
        found = []
        for own in true * 2 ** (cents / 1200):
            harmonics = np.exp(-2j * math.pi * own * time)
            found.append(abs(np.sum(frame * window * harmonics)))
        assert abs(cents[int(np.argmax(found))]) <= 50


def test_activations_become_pitch() -> None:
    """A bump at a bin is that bin's pitch."""
    bins = torch.arange(360)
    activations = -((bins[None] - torch.tensor([[100], [200]])) ** 2) / 2.0
    cents = network.FIRST + network.WIDTH * torch.tensor([100.0, 200.0])
    wanted = 10 * 2 ** (cents / 1200)
    assert torch.allclose(network.hertz(activations), wanted, rtol=1e-4)


def test_every_fit_of_a_way_comes_from_the_one_before() -> None:
    """On a small network of the same kind, with its own sounds."""
    torch.manual_seed(0)
    dense = torch.nn.Sequential(
        torch.nn.Conv1d(1, 16, 64, stride=16),
        torch.nn.ReLU(),
        torch.nn.BatchNorm1d(16),
        torch.nn.Conv1d(16, 16, 9),
        torch.nn.Flatten(),
        torch.nn.LazyLinear(360),
    ).eval()
    data = list(torch.split(tones.tones(8, seed=1)[0], 4))
    dense(data[0])
    found = list(run._models("macs2", dense, data, list(run.FITS)))
    assert [fit for fit, *_ in found] == list(run.FITS)
    options = argparse.Namespace(seconds=0.0)
    for _, _, model, report in found:
        macs = report.total("macs")
        assert macs is not None and macs[1] <= macs[0] / 2
        assert set(run._times(dense, model, 2, options)) == {
            "dense",
            "planned",
            "chains",
        }


def test_a_row_is_written_as_it_is_measured() -> None:
    rows = [
        {"way": "dense", "fit": "", "raw_pitch": 0.95, "cents": 5.0},
        {
            "way": "macs2",
            "fit": "data",
            "raw_pitch": 0.94,
            "cents": 6.0,
            "parameters": [4_000_000, 2_000_000],
            "macs": [8e6, 4e6],
            "ms": {
                "1": {"dense": 4.0, "planned": 2.0, "chains": 3.0},
                "32": {"dense": 64.0, "planned": 32.0, "chains": 32.0},
            },
        },
    ]
    line = page.tables(rows).splitlines()[-1]
    for cell in ("94.0% | 1.0 | 6.0", "2.0 M | 4 M", "2.0 | 1.0", "2.00x | 2.00x"):
        assert cell in line
    assert "1.50x | 1.00x" in line
