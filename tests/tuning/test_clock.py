"""The clock's part: races against noise, halving, and plans that do not count."""

import math
import random
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tuning.small import quick, task

import tnconv
from tnconv.execution.registry import backend
from tnconv.options import current
from tnconv.store.key import constraints_of
from tnconv.store.lookup import written
from tnconv.store.records import read_record
from tnconv.tuning import clock, heats, trials, turns
from tnconv.tuning.clock import Timed, in_turn, usual
from tnconv.tuning.heats import HEATS, Heat, Race, raced
from tnconv.tuning.layers import read_layer
from tnconv.tuning.search import listed
from tnconv.tuning.tasks import Task
from tnconv.tuning.trials import timed

__all__ = ["quick"]


class Scripted(Timed):
    """A call that takes what somebody says."""

    def __init__(self, seconds: Any) -> None:
        object.__setattr__(self, "seconds", seconds)

    def clocked(self) -> float:
        found: float = self.seconds()  # type: ignore[attr-defined]
        return found


def noisy(mean: float, noise: float, draw: random.Random) -> Scripted:
    return Scripted(lambda: mean * (1.0 + noise * draw.expovariate(1.0)))


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.3])
def test_equal_plans_hardly_ever_win(noise: float) -> None:
    """One race in a hundred, as the page says; twice that is let pass here."""
    won = 0
    for seed in range(300):
        draw = random.Random(seed)
        one, other = noisy(1.0, noise, draw), noisy(1.0, noise, draw)
        won += raced(one, other, 1.0, draw).won
    assert won <= 6


@given(st.integers(0, 10_000), st.floats(0.0, 0.1))
@settings(max_examples=60, deadline=None)
def test_a_plan_that_is_twice_as_fast_wins(seed: int, noise: float) -> None:
    draw = random.Random(seed)
    race = raced(noisy(1.0, noise, draw), noisy(0.5, noise, draw), 1.0, draw)
    assert race.won and 1.5 < race.gain < 2.5


def test_a_gain_within_the_spread_does_not_win() -> None:
    heat = Heat(1.0, 1.2, 0.95)
    race = Race((heat,) * HEATS)
    assert race.gain > 1.1 and race.spread == pytest.approx(0.2)
    assert not race.won
    assert Race((replace(heat, again=1.01),) * HEATS).won
    lost = replace(heat, again=1.01, other=1.02)
    assert not Race((*(replace(heat, again=1.01),) * 5, lost, lost)).won


def test_a_plan_that_is_fast_now_and_then_does_not_win() -> None:
    even = [1.0] * 5
    lucky = Heat.of([even, even, [0.5, 1.2, 1.2, 1.2, 1.2]])
    assert lucky.other == 0.5 and not lucky.won
    assert Heat.of([even, even, [0.5, 0.9, 0.9, 0.9, 1.2]]).won
    assert not Race((lucky,) * HEATS).won


def test_a_plan_that_is_fast_by_what_the_heap_held_does_not_win(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held, trimmed = [True], list[int]()

    def trim() -> None:
        trimmed.append(len(trimmed))
        held[0] = False

    draw, even = random.Random(0), Scripted(lambda: 1.0)
    lucky = Scripted(lambda: 0.5 if held[0] else 1.5)
    monkeypatch.setattr(heats, "trim_heap", lambda: None)
    assert raced(even, lucky, 1.0, draw).won
    monkeypatch.setattr(heats, "trim_heap", trim)
    assert not raced(even, lucky, 1.0, draw).won
    assert raced(even, Scripted(lambda: 0.5), 1.0, draw).won
    assert len(trimmed) == HEATS + 2  # two lost heats are enough


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_trimmed_heap_is_given_back() -> None:
    if clock._trimmer() is None:
        pytest.skip("the C library gives nothing back")
    import ctypes

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    blocks = [libc.malloc(100_000) for _ in range(401)]  # below what is mapped alone
    last = blocks.pop()  # lies above them
    for block in blocks:
        ctypes.memset(block, 1, 100_000)
        libc.free(block)
    before = resident()
    clock.trim_heap()
    libc.free(last)
    assert resident() < before - 5000  # of some 9700 pages


def test_calls_take_turns_in_changing_order(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[int] = []

    def player(at: int) -> Scripted:
        return Scripted(lambda: order.append(at) or float(at))  # type: ignore[func-returns-value]

    times = in_turn([player(0), player(1), player(2)], 0.0, 5, random.Random(0))
    assert times == [[0.0] * 5, [1.0] * 5, [2.0] * 5]
    rounds = {tuple(order[at : at + 3]) for at in range(0, 15, 3)}
    assert len(rounds) > 1 and all(sorted(one) == [0, 1, 2] for one in rounds)
    assert usual([5.0, 1.0, 2.0]) == 1.0
    monkeypatch.setattr(clock, "MOST", 3)
    assert len(in_turn([player(0)], 100.0, 1, random.Random(0))[0]) == 3


def test_listed_plans_hold_no_more_than_is_free() -> None:
    layer = {"in_channels": 8, "out_channels": 8, "input_size": [64, 64]}
    layer |= {"kernel_size": [5, 5], "padding": 2}
    network = read_layer(layer, 8).network("kfac-expand")

    def peaks(share: float) -> list[int]:
        with tnconv.options(memory_share=share, alternatives=False):
            options = constraints_of(current())
        one = Task("wide", "", network, constraints=options)
        records = [read_record(line, "") for line in listed(one, 8, 0).lines]
        return [written(r.plan, one.form, one.job()).peak for r in records]

    default, *others = peaks(0.0)
    assert all(peak <= max(default, 1 << 20) for peak in others)
    assert max(peaks(math.inf)) > 2 * max(default, 1 << 20)


def wrapped(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Programs of the second plan and later are changed as they are compiled."""
    own = backend("numpy")
    compile_, seen = own.compile, dict[Any, int]()

    def compiled(program: Any, place: Any) -> Any:
        run = compile_(program, place)
        at = seen.setdefault(program, len(seen))
        return run if at == 0 else lambda arrays: change(at, run, arrays)

    monkeypatch.setattr(type(own), "compile", staticmethod(compiled))


def lines_of(limit: int) -> tuple[str, ...]:
    return listed(task(), limit, 0).lines


def test_the_default_plan_is_kept_where_nothing_is_faster(
    monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    def slower(at: int, run: Any, arrays: Sequence[Any]) -> Any:
        time.sleep(0.002)
        return run(arrays)

    wrapped(monkeypatch, slower)
    lines = lines_of(4)
    found = timed(task(), lines, 0.05, 0)
    assert not found.won and found.gain == 1.0 and found.seconds == found.default
    kept, first = (read_record(line, "") for line in (found.line, lines[0]))
    assert kept.plan.steps == first.plan.steps
    assert kept.measured is not None and kept.measured.seconds == found.seconds


def test_the_fastest_plan_is_kept_with_its_times(
    monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    own = backend("numpy")
    compile_, seen = own.compile, list[Any]()

    def compiled(program: Any, place: Any) -> Any:
        run, at = compile_(program, place), len(seen)
        seen.append(program)

        def slow(arrays: Sequence[Any]) -> Any:
            time.sleep((0.006, 0.005, 0.001, 0.004)[at])
            return run(arrays)

        return slow

    monkeypatch.setattr(type(own), "compile", staticmethod(compiled))
    lines = lines_of(4)
    found = timed(task(), lines, 0.2, 0)
    kept, third = (read_record(line, "") for line in (found.line, lines[2]))
    assert kept.plan.steps == third.plan.steps
    assert found.won and 3 < found.gain < 8 and found.plans == 4
    measured = kept.measured
    assert measured is not None and measured.default > measured.seconds > 0.001
    assert measured.predicted == read_record(lines[0], "").plan.seconds


def test_a_plan_with_another_result_never_counts(
    monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    wrapped(monkeypatch, lambda at, run, arrays: run(arrays) + at)
    found = timed(task(), lines_of(3), 0.05, 0)
    assert found.plans == 1 and not found.won
    assert len(found.faults) == 2
    assert all("another result" in fault for fault in found.faults)


def test_a_plan_that_fails_is_left_out(
    monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    def fails(at: int, run: Any, arrays: Sequence[Any]) -> Any:
        raise MemoryError("too much")

    wrapped(monkeypatch, fails)
    found = timed(task(), lines_of(2), 0.05, 0)
    assert found.plans == 1
    assert "MemoryError: too much" in found.faults[0]


def test_a_damaged_line_is_left_out(quick: None) -> None:
    first, second = lines_of(2)
    found = timed(task(), (first, second[:-9], second), 0.05, 0)
    assert found.plans == 2 and len(found.faults) == 1


def test_another_device_class_has_a_default_plan_of_its_own(
    monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    lines = lines_of(2)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "77")
    found = timed(task(), lines, 0.05, 0)
    assert read_record(found.line, "").key.device.threads == 77
    assert found.key != read_record(lines[0], "").key.digest
    assert "77 threads" in found.device


def test_one_timing_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "lock_path", lambda: tmp_path / "lock")
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(3):
            with turns.alone():
                inside += 1
                most = max(most, inside)
                time.sleep(0.005)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_halving_sends_the_slower_ones_home(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[int] = []

    def turn(calls: Sequence[Any], *_: Any) -> list[list[float]]:
        played.append(len(calls))
        return [[call] for call in calls]

    monkeypatch.setattr(trials, "in_turn", turn)
    runners: list[Any] = [trials.Runner(None, t) for t in (3, 9, 2, 1, 3, 2, 2, 2)]  # type: ignore[arg-type]
    best = trials._survivor(runners[0], runners[1:], 1.0, random.Random(0))
    assert best is runners[3] and played == [8, 4, 2]
    slow: list[Any] = [trials.Runner(None, t) for t in (1, 2, 2)]  # type: ignore[arg-type]
    assert trials._survivor(slow[0], slow[1:], 1.0, random.Random(0)) is None
    assert heats.WON <= HEATS
