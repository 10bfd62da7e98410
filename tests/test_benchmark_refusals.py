"""What benchmarks refuse: wrong results, too much memory, too much time."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from benchmarks import contestants, layers, worker
from benchmarks.cases import Cannot, make
from benchmarks.crew import Crew, Member
from benchmarks.expected import Wrong, check
from benchmarks.record import Measured
from tests.benchmarked import GIB, TASK, python, torch


def wrong(factor: float) -> Any:
    """A contestant whose results are off by a factor."""

    def build(case: Any) -> Any:
        own = contestants.modules("torch")["torch"].BUILDS[case.kind](case)
        return lambda: factor * own()

    return SimpleNamespace(
        NAME="wrong", LIBRARY="torch", NEEDS=(), BUILDS={"narrow": build}
    )


def test_a_wrong_contestant_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    known = contestants.modules("torch")
    ours = {name: known[name] for name in (contestants.OURS, "torch")}
    monkeypatch.setattr(
        contestants, "modules", lambda *_: {**ours, "wrong": wrong(1.001)}
    )
    found = worker.measure(TASK, lambda _: None)
    assert "relative error" in found.cannot["wrong"]
    assert "wrong" not in found.seconds and "torch" in found.seconds
    monkeypatch.setattr(contestants, "modules", lambda *_: {**ours, "wrong": wrong(1)})
    assert "wrong" in worker.measure(TASK, lambda _: None).seconds


def test_check_sees_shapes_values_and_nan() -> None:
    right = torch.ones(2, 3)
    check(right.numpy(), right)
    for result in (right.mT, right + 1e-3, right * float("nan")):
        with pytest.raises(Wrong, match="wrong result"):
            check(result, right)


def test_dense_patterns_beyond_the_memory_are_refused() -> None:
    layer = layers.select("m5")[0]
    case = make("forward", layer, 1, 8 * GIB, 0).torch()
    known = contestants.modules("torch")
    for name in ("opt_einsum", "einconv"):
        with pytest.raises(Cannot, match="dense index patterns are too large: 19"):
            contestants.build(known[name], case)


EXCESS = """
import numpy, torch
from benchmarks.worker import limit_memory, reason
limit_memory(1 << 28)
for ones in (numpy.ones, torch.ones):
    try:
        ones(1 << 30)
    except Exception as error:
        print(reason(error))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
def test_a_worker_may_not_take_more_memory_than_it_is_given() -> None:
    assert python("-c", EXCESS).splitlines() == ["out of memory"] * 2


def test_what_takes_too_long_is_ended_and_listed() -> None:
    with Crew("torch", GIB, 1, limit=1e-9) as crew:
        found = crew.measured(TASK)
    assert found.cannot[contestants.OURS] == "the start: took longer than 1e-09 s"
    assert not found.seconds


def test_who_brings_a_worker_down_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    good = Measured("forward", TASK.layer.name)
    seen: list[dict[str, str]] = []

    def follow(self: Member, task: worker.Task) -> tuple[str, Measured | None]:
        seen.append(task.skip)
        self.blame = "killed"
        return "einconv", good if "einconv" in task.skip else None

    for name in ("start", "end"):
        monkeypatch.setattr(Member, name, lambda self: None)
    monkeypatch.setattr(Member, "follow", follow)
    assert Member(GIB, 1, 1.0).measured(TASK) is good
    assert seen == [{}, {"einconv": "killed"}]
