"""Stored plans in use: files, commands, merging, and plans of other sizes."""

import random
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.stores import NETWORKS, job, record_of, records_of, store

import tnconv
from tnconv import networks
from tnconv.cli import main
from tnconv.errors import ArgumentError, StoreError
from tnconv.execution.expression import clear_caches
from tnconv.options import changed, current, options
from tnconv.store.canonical import canonical
from tnconv.store.database import Database
from tnconv.store.lines import LineFile, write_lines
from tnconv.store.manage import merged
from tnconv.store.records import Measured, Record, is_better, read_record

__all__ = ["store"]


def test_files_come_before_the_users_store(store: Database, tmp_path: Path) -> None:
    network = NETWORKS["conv"]
    path = tmp_path / "plans.jsonl"
    write_lines(path, [record_of(network)])
    with tnconv.options(store=[path]):
        assert tnconv.expression(network).plan.source == f"the store {path}"
        store.put([record_of(network)])
        assert tnconv.expression(network, planner="auto").plan.source.endswith("jsonl")
        clear_caches()
        assert tnconv.expression(network).plan.source.endswith("jsonl")
    assert tnconv.expression(network).plan.source == f"the store {store}"
    other = tnconv.expression(network, memory_share=2.0)
    assert other.plan.source == "exact search"  # a plan keeps to its options
    assert tnconv.expression(network, dtype="float64").plan.source == "exact search"


def test_an_expression_is_kept_and_a_measured_plan_stays(store: Database) -> None:
    network = NETWORKS["weight"]
    key = tnconv.expression(network).keep()
    assert key == record_of(network).key.digest
    clear_caches()
    assert tnconv.expression(network).plan.source == f"the store {store}"
    measured = record_of(network, measured=Measured(1e-3, 2e-3, 1e-3, 0.1))
    assert store.put([measured]) == 1
    tnconv.expression(network).keep()
    (line,) = [line for _, line in store.lines()]
    assert read_record(line, "").measured == measured.measured


def test_explain_begins_with_the_stored_plan(store: Database) -> None:
    network, work = NETWORKS["conv"], job()
    form = canonical(network).network
    limited = replace(work, options=changed(current(), {"forms": ["window", "gemm"]}))
    other = limited.searched(form)
    store.put([Record.of(work.key(form), other)])
    found = tnconv.expression(network).explain(measure=True, limit=4)
    assert found.chosen.forms == other.plan.forms
    assert len({plan.forms for plan in found.plans}) > 1


def test_the_command_moves_plans_about(
    store: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str | Path, code: int = 0) -> str:
        assert main(["plans", *map(str, arguments)]) == code
        return capsys.readouterr().out

    found = records_of(["line", "conv", "weight"])
    keys = [record.key.digest for record in found]
    store.put(found)
    assert len(run("list").splitlines()) == 1 + len(found)
    shown = run("show", keys[0][:8])
    assert keys[0] in shown and found[0].plan.forms[0] in shown
    run("show", "", code=2)
    one, two, all_of_them = (tmp_path / f"{name}.jsonl" for name in "abc")
    run("export", one, keys[0])
    run("export", two, keys[1], keys[2])
    run("merge", all_of_them, one, two)
    assert "3 plans" in run("verify", all_of_them)
    assert {key for key, _ in LineFile(all_of_them).lines()} == set(keys)
    store.remove(keys)
    assert run("list") == f"no plans in {store}\n"
    assert "3 plans read, 3 of them new" in run("import", all_of_them)
    assert "3 plans read, 0 of them new" in run("import", one, two, all_of_them)
    connection = sqlite3.connect(store.path)
    connection.execute("UPDATE plans SET record = 'x' WHERE key = ?", (keys[0],))
    connection.commit()
    connection.close()
    assert "2 plans" in run("verify", code=1)
    assert "1 plans removed" in run("prune")
    assert "2 plans" in run("verify")


def test_without_a_users_store_nothing_is_kept() -> None:
    with pytest.raises(StoreError, match="TNCONV_STORE is off"):
        tnconv.expression(NETWORKS["conv"]).keep()


@pytest.mark.parametrize("odd", ["plans.jsonl", 3, [3], None])
def test_odd_names_of_stores_are_refused(odd: Any) -> None:
    with pytest.raises(ArgumentError, match="store lists files"), options(store=odd):
        pass


def variants() -> list[Record]:
    """Records of one key, measured and not."""
    record = record_of(NETWORKS["line"])
    slow = replace(record.plan, seconds=2 * record.plan.seconds)
    clocked = [Measured(s, 3e-3, 1e-3, 0.1) for s in (2e-3, 1e-3, 1e-3)]
    return [
        record,
        replace(record, plan=slow),
        replace(record, date="2020-01-01T00:00:00Z"),
        *(replace(record, measured=found) for found in clocked),
        replace(record, plan=slow, measured=clocked[1]),
    ]


def test_merging_in_any_order_keeps_the_same_record(tmp_path: Path) -> None:
    records = variants()
    (best,) = merged(records)
    assert best.measured is not None and best.measured.seconds == 1e-3
    assert not any(is_better(record, best) for record in records)
    draw = random.Random(0)
    for turn in range(5):
        draw.shuffle(records)
        assert merged(records) == [best]
        database = Database(tmp_path / f"{turn}.sqlite")
        for record in records:
            database.put([record])
        assert database.find(best.key.digest) == best.line()


def test_a_plan_for_other_sizes_is_used_where_it_promises_to_win(
    store: Database,
) -> None:
    """What is best by price is told to be slow by the clock at a batch of 4."""
    small, large = (
        networks.conv((n, 16, 20, 20), (32, 16, 3, 3), padding=1) for n in (4, 6)
    )
    work = job("torch")
    form = canonical(small).network
    default = work.searched(form)
    limited = changed(current(), {"forms": ["window", "gemm", "constant"]})
    other = replace(work, options=limited).searched(form)
    assert set(other.plan.forms) != set(default.plan.forms)
    for clock, chosen in ((0.2, other), (2.0, default)):
        seconds = clock * 1e-3
        measured = Measured(seconds, 1e-3, default.seconds, 0.1)
        record = Record.of(work.key(form), other, measured)
        store.path.unlink(missing_ok=True)
        store.put([record])
        clear_caches()
        assert tnconv.expression(small, backend="torch").plan.forms == other.plan.forms
        found = tnconv.expression(large, backend="torch")
        assert found.plan.forms == chosen.plan.forms
        arrays = [np.ones(s, "f") for s in large.arguments.values()]
        given = [torch.asarray(a) for a in arrays]
        expected = tnconv.expression(large)(*arrays)
        np.testing.assert_allclose(found(*given).numpy(), expected, rtol=1e-5)
    far = networks.conv((16, 16, 20, 20), (32, 16, 3, 3), padding=1)
    store.put([replace(record, measured=Measured(1e-4, 1e-3, default.seconds, 0.1))])
    clear_caches()
    found = tnconv.expression(far, backend="torch")
    assert found.plan.source == "exact search"
