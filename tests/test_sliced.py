"""Large networks under a memory limit: the plan stays, blocks are laid around it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tests.large_networks import FIVE_TUCKER, Chain

import tnconv
from tnconv.execution.expression import expression
from tnconv.execution.program import Loop
from tnconv.planning.check import check_plan
from tnconv.planning.plan import Plan
from tnconv.planning.rivals import form_table
from tnconv.store.plan_json import plan_record, read_plan

CHAIN = Chain((3, 6, 6, 8, 8, 8), 40, batch=3, rank=3)


def labels_cut(plan: Plan) -> list[str]:
    """The labels that are cut, the outermost first."""
    if plan.blocks is None:
        return []
    inner = plan.blocks.bodies[:1]
    return [plan.blocks.label, *(labels_cut(inner[0]) if inner else [])]


@pytest.mark.parametrize("share", (0.5, 0.2))
def test_a_limit_is_kept_and_the_result_is_right(share: float) -> None:
    network, arrays = CHAIN.network, CHAIN.arrays(2)
    whole = expression(network, dtype="float64")
    limit = int(share * whole.peak_bytes)
    found = expression(network, dtype="float64", memory_limit=limit)
    assert found.peak_bytes <= limit < whole.peak_bytes
    assert found.plan.source == "cotengra's tree"
    np.testing.assert_array_equal(found(*arrays), CHAIN.by_torch(arrays))


def test_a_low_limit_cuts_several_labels_in_one_loop() -> None:
    network, arrays = CHAIN.network, CHAIN.arrays(2)
    limit = expression(network, dtype="float64").peak_bytes // 5
    found = expression(network, dtype="float64", memory_limit=limit)
    assert len(labels_cut(found.plan)) > 1
    (loop,) = found.planned.program.steps
    assert isinstance(loop, Loop)
    assert not any(isinstance(s, Loop) for body in loop.bodies for s in body.steps)
    with ThreadPoolExecutor(2) as threads, tnconv.options(executor=threads):
        there = expression(network, dtype="float64", memory_limit=limit)(*arrays)
    np.testing.assert_array_equal(there, CHAIN.by_torch(arrays))


def test_such_a_plan_can_be_written_down_and_checked() -> None:
    network = CHAIN.network
    limit = expression(network).peak_bytes // 5
    plan = expression(network, memory_limit=limit).plan
    again = read_plan(plan_record(plan), plan.source)
    assert len(labels_cut(again)) > 1
    check_plan(again, network.without(), form_table())


def test_what_no_blocks_reach_is_an_error() -> None:
    with pytest.raises(tnconv.MemoryLimitError, match="memory_limit=1 "):
        expression(FIVE_TUCKER.network, memory_limit=1)
