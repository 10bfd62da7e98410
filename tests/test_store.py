"""Stored plans: written and read, found by every spelling, without a search."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.stores import (
    CHAIN,
    NETWORKS,
    job,
    record_of,
    records_of,
    spelled_otherwise,
    store,
)

import tnconv
from tnconv import networks
from tnconv.execution.expression import clear_caches
from tnconv.network import Network
from tnconv.options import changed, current
from tnconv.planning import hyper
from tnconv.planning.constants import nearest
from tnconv.planning.device import Device
from tnconv.planning.search import Search
from tnconv.store.canonical import canonical
from tnconv.store.database import Database
from tnconv.store.lookup import written
from tnconv.store.plan_json import plan_record, read_plan
from tnconv.store.reading import parsed
from tnconv.store.records import Record, read_record
from tnconv.testing import integer_arrays

__all__ = ["store"]


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("limit", [None, 60_000])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_plan_says_all_that_was_searched_for(
    name: str, limit: int | None, library: str
) -> None:
    options = changed(current(), {"memory_limit": limit})
    work = job(library, options=options)
    network = canonical(NETWORKS[name]).network
    found = work.searched(network)
    line = Record.of(work.key(network), found).line()
    record = read_record(line, found.plan.source)
    assert record.line() == line
    again = written(record.plan, network, work)
    assert again.program == found.program
    assert (again.peak, again.trace) == (found.peak, found.trace)


def test_blocks_with_plans_of_their_own_are_part_of_it() -> None:
    network = networks.conv((16, 6, 50, 50), (8, 6, 3, 3), padding=1)
    work = job(options=changed(current(), {"memory_limit": 1_500_000}))
    form = canonical(network).network
    forms = changed(work.options, {"forms": ["constant", "multiply"]})
    for kept in (work.options, forms):
        work = replace(work, options=kept)
        found = work.searched(form)
        plan = read_plan(plan_record(found.plan), found.plan.source)
        assert plan == found.plan
        assert written(plan, form, work).program == found.program
    assert plan.blocks is not None and plan.blocks.bodies


@pytest.mark.parametrize(
    "network",
    [
        networks.conv_input_vjp(
            (256, 128, 3, 3), (8, 256, 16, 16), (32, 32), stride=2, padding=1
        ),
        networks.conv((8, 32, 149, 149), (32, 32, 3, 3)),
    ],
    ids=["input-vjp", "forward"],
)
def test_blocks_are_written_where_small_sizes_are_searched_otherwise(
    network: Network,
) -> None:
    machine = nearest("numpy", Device("cpu", "AMD EPYC (25/17)", 2))
    work = replace(job(), machine=machine)
    form = canonical(network).network
    found = work.searched(form)
    assert found.plan.blocks is not None
    assert written(found.plan, form, work).program == found.program


@pytest.mark.parametrize("name", NETWORKS)
def test_every_spelling_finds_it_without_a_search(
    name: str, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = NETWORKS[name]
    arrays = integer_arrays(network)
    expected = tnconv.expression(network, dtype="int64")(**arrays)
    store.put([record_of(network, job(dtype="int64"))])
    forbid_searches(monkeypatch)
    for seed in range(3):
        other = spelled_otherwise(network, seed)
        clear_caches()
        expression = tnconv.expression(other, dtype="int64")
        assert expression.plan.source == f"the store {store}"
        assert str(store) in str(expression)
        names = canonical_names(network, other)
        given = {theirs: arrays[ours] for ours, theirs in names.items()}
        assert np.array_equal(expression(**given), expected)


def forbid_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever searches is an error."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a search was made")

    monkeypatch.setattr(Search, "__init__", refuse)
    monkeypatch.setattr(hyper, "follow_tree", refuse)


def canonical_names(one: Network, other: Network) -> dict[str, str]:
    """Which array of one spelling is which of the other's."""
    forms = canonical(one), canonical(other)
    return {forms[0].names[x]: forms[1].names[x] for x in forms[0].names}


SECOND = """
import sys
from tests.stores import CHAIN, NETWORKS, spelled_otherwise
import tnconv
from tnconv.planning.search import Search
def refuse(*args): raise SystemExit("a search was made")
Search.__init__ = refuse
for network in (*NETWORKS.values(), CHAIN):
    for seed in range(2):
        plan = tnconv.expression(spelled_otherwise(network, seed)).plan
        assert plan.source.startswith("the store"), plan.source
        tnconv.clear_caches()
for name in ("cotengra", "opt_einsum"):
    assert name not in sys.modules, name
"""


@pytest.mark.parametrize("seed", ["0", "1"])
def test_a_second_process_imports_no_engine_and_searches_nothing(
    seed: str, store: Database, tmp_path: Path
) -> None:
    store.put([*records_of([*NETWORKS]), record_of(CHAIN)])
    assert tnconv.expression(CHAIN).plan.rewrites
    paths = os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-W", "error", "-c", SECOND]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()


def test_what_is_read_is_json_and_nothing_else() -> None:
    record = record_of(NETWORKS["conv"])
    assert set(parsed(record.line())) >= {"key", "structure", "plan", "schema"}
