"""explain: the plans that were considered, alike in result, chosen one first."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracles import conv as loops

import tnconv
from tnconv.execution import explain as explaining
from tnconv.execution.explain import ResultsDifferError
from tnconv.execution.expression import expression
from tnconv.execution.registry import backend
from tnconv.options import changed, current
from tnconv.planning.candidates import candidates

NETWORK = tnconv.networks.conv((2, 3, 9, 9), (4, 3, 3, 3), padding=1, stride=2)


def test_the_chosen_plan_is_first_and_marked() -> None:
    found = expression(NETWORK)
    explained = found.explain()
    assert explained.chosen.seconds == found.planned.seconds
    assert [plan.chosen for plan in explained.plans].count(True) == 1
    assert len(explained.plans) > 3
    assert explained.regret is None
    later = [plan.seconds for plan in explained.plans[1:]]
    assert later == sorted(later)
    lines = str(explained).splitlines()
    assert len(lines) == len(explained.plans) + 1
    assert lines[1].startswith("* ") and "predicted ms" in lines[0]
    assert "measured" not in lines[0]


@pytest.mark.parametrize("name", ["numpy", "torch", "array_api", "jax"])
def test_measured_times(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in ("torch", "jax"):
        pytest.importorskip(name)
    monkeypatch.setattr(explaining, "BUDGET", 0.001)
    explained = expression(NETWORK, backend=name).explain(measure=True, limit=3)
    times = [plan.measured for plan in explained.plans]
    assert len(times) == 3
    assert all(time is not None and time > 0 for time in times)
    assert explained.regret is not None and explained.regret >= 1
    assert "measured ms" in str(explained).splitlines()[0]


def test_complex_and_integer_plans_are_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(explaining, "BUDGET", 0.001)
    for dtype in ("complex64", "int32"):
        network = tnconv.networks.kfac_input_factor((2, 2, 7), 3)
        explained = expression(network, dtype=dtype).explain(measure=True, limit=3)
        assert explained.chosen.measured is not None


def test_plans_that_disagree_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = backend("numpy")
    compiled, calls = type(measured).compile, []

    def wrong(self: Any, program: Any, place: Any) -> Any:
        run = compiled(self, program, place)
        calls.append(program)
        return (lambda arrays: run(arrays) + 1) if len(calls) > 1 else run

    monkeypatch.setattr(type(measured), "compile", wrong)
    with pytest.raises(ResultsDifferError, match="another result"):
        expression(NETWORK).explain(measure=True, limit=2)


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(0, 1))
def test_every_candidate_gives_the_same_sums(
    kernel: int, channels: int, stride: int, padding: int
) -> None:
    network = tnconv.networks.conv(
        (2, channels, 6), (2, channels, kernel), stride=stride, padding=padding
    )
    measured: Any = backend("numpy")
    place = measured.home("float64")
    rng = np.random.default_rng(0)
    x, w = (rng.integers(-3, 4, shape) * 1.0 for shape in network.arguments.values())
    expected = loops(x, w, stride=stride, padding=padding)
    options = changed(current(), {})
    found = candidates(network, measured.machine(place), 8, options, 6)
    assert len({each.planned.program for each in found}) == len(found)
    for candidate in found:
        result = measured.compile(candidate.planned.program, place)([x, w])
        assert np.allclose(result, expected, rtol=0, atol=1e-9), candidate.forms


def test_candidates_keep_to_the_options() -> None:
    machine = backend("numpy").machine(backend("numpy").home("float32"))  # type: ignore[attr-defined]
    forms = ("window", "gemm", "fold")
    options = changed(current(), {"forms": forms})
    for candidate in candidates(NETWORK, machine, 4, options):
        assert set(candidate.forms) <= set(forms)
    whole = candidates(NETWORK, machine, 4, current())
    limit = min(each.planned.peak for each in whole)
    options = changed(current(), {"memory_limit": limit})
    for candidate in candidates(NETWORK, machine, 4, options):
        assert candidate.planned.peak <= limit
