"""Options, caches and keys of plans; what is refused at the door."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.planned import (
    arrays_for,
)

import tnconv
from tnconv import networks
from tnconv.execution.backend import Place
from tnconv.execution.registry import backend
from tnconv.options import current


def test_plans_are_shared_between_threads() -> None:
    network = networks.conv((2, 3, 9, 9), (4, 3, 3, 3))
    arrays, found = arrays_for(network), []

    def work() -> None:
        found.append(tnconv.conv(arrays["x"], arrays["weight"]))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(np.array_equal(each, found[0]) for each in found)


def test_options_hold_in_their_block_and_thread_only() -> None:
    seen = []
    with tnconv.options(memory_limit=5):
        thread = threading.Thread(target=lambda: seen.append(current().memory_limit))
        thread.start()
        thread.join()
        assert current().memory_limit == 5
    assert seen == [None]
    assert current().memory_limit is None


@pytest.mark.parametrize(
    "bad",
    [
        {"planner": "magic"},
        {"memory_limit": "1G"},
        {"memory_limit": True},
        {"memory_share": "half"},
        {"memory_share": -0.5},
        {"memory_share": True},
        {"memory_share": float("nan")},
        {"memory_target": "half"},
        {"memory_target": True},
        {"memory_target": float("nan")},
        {"forms": ["no"]},
        {"forms": "native"},
        {"forms": 5},
        {"alternatives": "no"},
        {"x": 1},
    ],
)
def test_bad_options_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(tnconv.ArgumentError, match="options:"), tnconv.options(**bad):
        pass


def test_a_printed_expression_says_what_runs() -> None:
    network = networks.conv((2, 3, 8, 8), (4, 3, 2, 2), stride=2)
    text = str(tnconv.expression(network, dtype="float64"))
    for word in ("network", "rules", "dense", "path", "flops", "peak", "plan"):
        assert word in text


def test_sizes_of_labels_that_do_not_occur_are_refused() -> None:
    with pytest.raises(tnconv.ArgumentError, match="no such label"):
        tnconv.contract("n i -> n", np.ones((2, 3)), sizes={"q": 4})


def test_place_is_part_of_the_key() -> None:
    x, w = np.ones((1, 2, 5)), np.ones((1, 2, 3))
    assert tnconv.conv(x, w).dtype == np.float64
    assert tnconv.conv(x.astype("f4"), w.astype("f4")).dtype == np.float32
    assert isinstance(backend("numpy").place(x), Place)


@pytest.mark.parametrize(
    "call",
    [
        lambda: tnconv.contract(5, np.ones(2)),  # type: ignore[arg-type]
        lambda: tnconv.expression("a -> a"),  # type: ignore[arg-type]
        lambda: tnconv.simplify("a -> a"),  # type: ignore[arg-type]
        lambda: tnconv.contract("a -> a b", np.ones(2), sizes={"b": "3"}),  # type: ignore[dict-item]
        lambda: tnconv.contract("a -> a b", np.ones(2), sizes={"b": -3}),
        lambda: tnconv.contract("a -> a", np.ones(2), sizes=[3]),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_network_or_size_is_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(tnconv.ArgumentError, match=r"(contract|expression|simplify): "):
        call()


def test_cleared_caches_plan_again() -> None:
    x = np.ones((1, 1, 9))
    before = tnconv.conv(x, x[..., :3])
    tnconv.clear_caches()
    assert np.array_equal(tnconv.conv(x, x[..., :3]), before)
