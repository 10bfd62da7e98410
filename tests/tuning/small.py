"""What the tests of tuning share: two small layers, and stores of their own."""

from pathlib import Path
from typing import Any

import pytest

from tnconv.execution.expression import clear_caches
from tnconv.options import current
from tnconv.store.database import Database
from tnconv.store.key import constraints_of
from tnconv.store.lines import LineFile
from tnconv.tuning import clock
from tnconv.tuning.layers import read_layer
from tnconv.tuning.tasks import Task

LAYERS: list[dict[str, Any]] = [
    {
        "id": "one",
        "in_channels": 3,
        "out_channels": 4,
        "input_size": [9, 8],
        "kernel_size": [3, 3],
        "padding": 1,
    },
    {
        "name": "two",
        "in_channels": 4,
        "out_channels": 4,
        "input_size": [12],
        "kernel_size": 5,
        "groups": 4,
        "batch": 2,
    },
]


def task(at: int = 0, operation: str = "forward", **more: Any) -> Task:
    """The task of one of the layers."""
    layer = read_layer(LAYERS[at], 2)
    constraints = constraints_of(current())
    network = layer.network(operation)
    return Task(layer.name, operation, network, constraints=constraints, **more)


def keys(place: Database | LineFile) -> set[str]:
    """The keys of all plans in a store."""
    return {key for key, _ in place.lines()}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timings of two rounds: what they say is noise."""
    monkeypatch.setattr(clock, "MOST", 2)
    monkeypatch.setattr(clock, "QUICK", 1e-6)


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's store that is not there yet."""
    path = tmp_path / "own.sqlite"
    monkeypatch.setenv("TNCONV_STORE", str(path))
    clear_caches()
    return path
