"""What a calibration does to a store: unmeasured plans are made anew, others judged."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.stores import NETWORKS, job, record_of

from tnconv import cli_calibrate
from tnconv.execution.calibrate import Calibration
from tnconv.store.database import Database
from tnconv.store.recalibrated import recalibrated
from tnconv.store.records import Measured, read_record


def test_unmeasured_plans_are_planned_anew_and_measured_ones_judged(
    tmp_path: Path,
) -> None:
    store, machine = Database(tmp_path / "plans.sqlite"), job().machine
    slow = replace(machine, call=machine.call * 1000)
    kept = record_of(NETWORKS["conv"])
    seconds = kept.plan.seconds
    other = record_of(NETWORKS["line"])
    clock = Measured(other.plan.seconds, other.plan.seconds, seconds, 0.0)
    measured = replace(other, measured=clock)
    elsewhere = replace(
        kept, key=replace(kept.key, device=replace(kept.key.device, threads=99))
    )
    store.put([kept, measured, elsewhere])
    found = recalibrated(store, machine, slow)
    assert (found.measured, found.renewed) == (1, 1)
    assert found.before < 0.05 < 1.0 < found.after
    line = store.find(kept.key.digest)
    assert line is not None and read_record(line, "").plan.seconds > 2 * seconds
    assert store.find(measured.key.digest) == measured.line()
    assert store.find(elsewhere.key.digest) == elsewhere.line()


def test_the_command_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = job().machine
    found = Calibration(machine, machine, 0.1, 0.1)
    path = tmp_path / "plans.sqlite"
    monkeypatch.setenv("TNCONV_STORE", "off")
    cli_calibrate._tell_store(found)
    monkeypatch.setenv("TNCONV_STORE", str(path))
    cli_calibrate._tell_store(found)
    assert capsys.readouterr().out == ""
    Database(path).put([record_of(NETWORKS["conv"])])
    cli_calibrate._tell_store(found)
    assert "1 plans of your store" in capsys.readouterr().out
