"""What a recorded run gives to tune."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tnconv
from tnconv import networks
from tnconv.errors import ArgumentError
from tnconv.options import current
from tnconv.store.canonical import canonical
from tnconv.store.key import options_of
from tnconv.tuning.files import read_tasks
from tnconv.tuning.tasks import Settings


def recorded(path: Path) -> list[Any]:
    """The entries of a recorded file."""
    found: list[Any] = json.loads(path.read_text())["networks"]
    return found


def test_a_recorded_run_is_read_as_it_was_called(tmp_path: Path) -> None:
    x, weight = np.ones((2, 3, 9)), np.ones((4, 3, 3))
    tnconv.conv(x, weight)  # known before
    path = tmp_path / "shapes.json"
    with tnconv.options(memory_limit=1 << 20), tnconv.record(path):
        for _ in range(2):
            tnconv.conv(x, weight)
        tnconv.conv(x.astype("float32"), weight.astype("float32"), stride=2)
        tnconv.expression(networks.conv((1, 2, 9), (4, 2, 3)))
    assert len(recorded(path)) == 3
    first, second, third = read_tasks(path, Settings())
    assert (first.dtype, second.dtype, third.dtype) == (
        "float64",
        "float32",
        "float32",
    )
    form = canonical(networks.conv((2, 3, 9), (4, 3, 3))).network
    assert first.form == form
    assert options_of(first.constraints).memory_limit == 1 << 20
    assert options_of(first.constraints).watch is None


def test_what_is_recorded_is_written_when_the_run_fails(tmp_path: Path) -> None:
    path = tmp_path / "shapes.json"
    with pytest.raises(KeyError), tnconv.record(path):
        tnconv.conv(np.ones((1, 1, 5)), np.ones((1, 1, 2)))
        raise KeyError
    assert len(recorded(path)) == 1
    assert current().watch is None


def test_a_recorded_run_searches_nothing_twice(tmp_path: Path) -> None:
    network = networks.conv((2, 3, 10), (4, 3, 3))
    before = tnconv.expression(network).planned
    with tnconv.record(tmp_path / "shapes.json"):
        assert tnconv.expression(network).planned is before


def test_gradients_on_pytorch_are_recorded(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    x = torch.ones(2, 3, 9, 9, requires_grad=True)
    weight = torch.ones(4, 3, 3, 3, requires_grad=True)
    path = tmp_path / "shapes.json"
    with tnconv.record(path):
        y = tnconv.conv(x, weight)
    y.sum().backward()  # after the block: not written
    assert len(recorded(path)) == 1
    with tnconv.record(path):
        tnconv.conv(x, weight).sum().backward()
    tasks = read_tasks(path, Settings())
    shapes = sorted(task.network.shape for task in tasks)
    assert shapes == [(2, 3, 9, 9), (2, 4, 7, 7), (4, 3, 3, 3)]
    assert {task.backend for task in tasks} == {"torch"}


def test_odd_watchers_are_refused() -> None:
    with pytest.raises(ArgumentError, match="watch is a function"):
        tnconv.options(watch=3).__enter__()
