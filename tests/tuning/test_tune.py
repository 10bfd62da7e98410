"""A tuning from beginning to end, interrupted and gone on with."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.tuning.small import LAYERS, keys, own_store, quick, task

import tnconv
from tnconv import networks
from tnconv.errors import ArgumentError, StoreError
from tnconv.execution.expression import clear_caches
from tnconv.store.database import Database
from tnconv.store.records import read_record
from tnconv.tuning.crew import processes
from tnconv.tuning.outcome import Failure, Outcome
from tnconv.tuning.report import Report
from tnconv.tuning.run import Step
from tnconv.tuning.search import listed

__all__ = ["own_store", "quick"]


def test_layers_are_tuned_into_the_users_store(own_store: Path, quick: None) -> None:
    steps: list[Step] = []
    report = tnconv.tune(LAYERS, batch=2, trials=3, seconds=60, watch=steps.append)
    assert [o.title for o in report.outcomes] == [
        f"{name} {operation}"
        for name in ("one", "two")
        for operation in ("forward", "input-vjp", "weight-vjp")
    ]
    assert not report.failures and not report.left and not report.known
    assert steps[-1].done == steps[-1].total == 12
    assert keys(Database(own_store)) == {o.key for o in report.outcomes}
    assert not own_store.with_name("own.sqlite.tuning").exists()
    again = tnconv.tune(LAYERS, batch=2, trials=3)
    assert (again.outcomes, again.known) == ((), 6)
    assert "6 were tuned before" in str(again)
    third = tnconv.tune(LAYERS[:1], batch=2, trials=3, again=True)
    assert len(third.outcomes) == 3


def test_what_is_tuned_is_found(own_store: Path, quick: None) -> None:
    x, weight = np.ones((2, 3, 9, 8)), np.ones((4, 3, 3, 3))
    expected = tnconv.conv(x, weight, padding=1)
    tnconv.tune(LAYERS[0], batch=2, trials=3, dtype="float64")
    clear_caches()
    network = networks.conv(x.shape, weight.shape, padding=1)
    found = tnconv.expression(network, dtype="float64")
    assert found.plan.source == f"the store {own_store}"
    assert np.allclose(tnconv.conv(x, weight, padding=1), expected)


def test_an_expression_under_a_limit_is_tuned_under_it(
    own_store: Path, quick: None
) -> None:
    network = networks.conv((16, 6, 50, 50), (8, 6, 3, 3), padding=1)
    limited = tnconv.expression(network, memory_limit=1_500_000)
    (outcome,) = tnconv.tune([limited], trials=2).outcomes
    record = read_record(outcome.line, "")
    assert record.key.constraints["memory_limit"] == 1_500_000
    clear_caches()
    again = tnconv.expression(network, memory_limit=1_500_000)
    assert again.plan.source.startswith("the store")
    assert again.peak_bytes <= 1_500_000


def test_networks_that_differ_in_spelling_are_tuned_once(
    own_store: Path, quick: None
) -> None:
    one = tnconv.parse("x: a b, y: b c -> a c", shapes={"x": (2, 3), "y": (3, 5)})
    two = tnconv.parse("q: j k, p: i j -> i k", shapes={"p": (2, 3), "q": (3, 5)})
    assert len(tnconv.tune([one, two], trials=1).outcomes) == 1


def test_a_network_that_cannot_be_tuned_is_reported(
    own_store: Path, quick: None
) -> None:
    network = networks.conv((2, 3, 9), (4, 3, 3))
    with tnconv.options(memory_limit=10):
        report = tnconv.tune([network], trials=2)
    assert not report.outcomes
    assert "MemoryLimitError" in report.failures[0].why
    assert "not tuned" in str(report)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seconds": 0},
        {"seconds": float("nan")},
        {"trials": 0},
        {"seed": -1},
        {"operations": ["odd"]},
    ],
)
def test_odd_arguments(wrong: dict[str, Any], own_store: Path) -> None:
    with pytest.raises(ArgumentError, match="tune"):
        tnconv.tune(LAYERS, **wrong)
    with pytest.raises(ArgumentError, match="nothing"):
        tnconv.tune([])
    with pytest.raises(ArgumentError, match="no Network"):
        tnconv.tune(3)


def test_without_a_store_nothing_is_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TNCONV_STORE", "off")
    with pytest.raises(StoreError, match="TNCONV_STORE is off"):
        tnconv.tune(LAYERS)


def plans(found: Sequence[str]) -> list[Any]:
    """What lines say, less the date and its digest."""
    records = [json.loads(line) for line in found]
    for record in records:
        del record["date"], record["digest"]
    return records


def test_processes_list_the_plans_that_this_one_lists() -> None:
    tasks = [task(0), task(0, "weight-vjp"), task(1), task(1, "kfac-expand")]
    given = [(one, 4, 0) for one in tasks]
    with processes(2) as crew:
        found = dict(crew.answers(listed, given))
    for at, one in enumerate(tasks):
        assert plans(found[at].lines) == plans(listed(one, 4, 0).lines)


def test_any_executor_tunes(own_store: Path, quick: None) -> None:
    with ThreadPoolExecutor(2) as executor:
        report = tnconv.tune(LAYERS, batch=2, trials=2, executor=executor)
    assert len(report.outcomes) == len(keys(Database(own_store))) == 6


def outcome(name: str, default: float, seconds: float, **more: Any) -> Outcome:
    forms = (("gemm",), ("window", "gemm"))
    place = ("numpy", "float32", "a processor", "key", "line")
    return Outcome(name, "forward", *place, default, seconds, 0.02, *forms, 4, **more)


def test_a_report_says_what_was_gained(tmp_path: Path) -> None:
    report = Report(
        (outcome("a", 2e-3, 1e-3), outcome("b", 1e-3, 1e-3, faults=("odd: why",))),
        (Failure("c", "reasons"),),
        known=1,
        left=2,
    )
    text = str(report)
    assert report.gain == pytest.approx(2**0.5)
    assert "1.41x" in text and "2.00x" in text and "window gemm" in text
    for said in ("b forward: not timed: odd: why", "c: not tuned: reasons", "1 were"):
        assert said in text
    pytest.importorskip("matplotlib")
    report.plot(tmp_path / "gains.png")
    Report(()).plot(tmp_path / "none.png")
    assert (tmp_path / "gains.png").read_bytes()[:4] == b"\x89PNG"
