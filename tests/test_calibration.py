"""Calibration files: read with caution, and written whole."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.calibrated import HERE, odd

from tnconv.errors import ArgumentError
from tnconv.execution import calibration
from tnconv.execution.calibration import CalibrationWarning, machine_for, save
from tnconv.planning.constants import NUMBERS, from_record, nearest, shipped, to_record

pytestmark = pytest.mark.usefixtures("own_file")


def test_what_is_saved_is_used(own_file: Path) -> None:
    assert machine_for("numpy", HERE).gemm != 123e9
    save(odd(), own_file, {"date": "today"})
    assert machine_for("numpy", HERE) == odd()
    assert machine_for("numpy", replace(HERE, threads=3)).gemm != 123e9
    save(odd("torch"), own_file, {})
    save(replace(odd(), gemm=5e9), own_file, {})
    assert machine_for("torch", HERE).gemm == 123e9
    assert machine_for("numpy", HERE).gemm == 5e9
    assert len(json.loads(own_file.read_text())["machines"]) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ('{"schema": 1, "mach', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("\x00\x01", "not JSON"),
        ('{"pictures": []}', "not a calibration"),
        ('{"schema": 2, "machines": []}', "schema is 2"),
        ('{"machines": []}', "schema is None"),
    ],
)
def test_foreign_and_broken_files_are_reported_and_left(
    own_file: Path, text: str, said: str
) -> None:
    own_file.write_text(text)
    with pytest.warns(CalibrationWarning, match=said):
        found = machine_for("numpy", HERE)
    assert found == replace(nearest("numpy", HERE), device=HERE)
    machine_for("numpy", HERE)  # a second warning would be an error
    with pytest.raises(ArgumentError, match="stays as it is"):
        save(odd(), own_file, {})
    assert own_file.read_text() == text


def test_a_folder_in_its_place_is_reported(own_file: Path) -> None:
    own_file.mkdir()
    with pytest.warns(CalibrationWarning, match="cannot be read"):
        machine_for("numpy", HERE)


@pytest.mark.parametrize("value", [-1.0, 1e30, float("nan"), None, "fast", True, [1]])
@pytest.mark.parametrize("name", ["gemm", "call", "native"])
def test_values_out_of_range_are_not_trusted(
    own_file: Path, name: str, value: Any
) -> None:
    record = to_record(odd("torch"))
    if name == "native":
        record["native"]["forward, dense"]["rate"] = value
    else:
        record["constants"][name] = value
    other = to_record(odd("numpy"))
    own_file.write_text(json.dumps({"schema": 1, "machines": [record, other]}))
    with pytest.warns(CalibrationWarning, match="a record"):
        assert machine_for("torch", HERE).gemm != 123e9
    assert machine_for("numpy", HERE).gemm == 123e9  # the other record is good


@pytest.mark.parametrize(
    "change",
    [
        {"constants": {"speed": 1.0}},
        {"constants": {"copy": 0.0}},
        {"native": {"sideways, dense": {}}},
        {"native": {}},
        {"native_dims": [4]},
        {"device": "gpu"},
        {"native": {"forward, dense": {}}},
    ],
)
def test_records_that_do_not_fit(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        from_record({**to_record(odd("torch")), **change})


@pytest.mark.parametrize("record", [None, 3, [], "x"])
def test_records_that_are_none(record: Any) -> None:
    with pytest.raises(ValueError, match="not a table"):
        from_record(record)


@given(st.sampled_from(NUMBERS), st.floats(1e-9, 1e15))
def test_records_round_trip(name: str, value: Any) -> None:
    for machine in shipped():
        changed = replace(machine, **{name: value})
        assert from_record(json.loads(json.dumps(to_record(changed)))) == changed


def test_a_writer_killed_on_the_way_leaves_the_old_file(own_file: Path) -> None:
    save(odd(), own_file, {})
    before = own_file.read_text()
    script = (
        "import os, sys; from pathlib import Path\n"
        "from tnconv.execution import files\n"
        "os.replace = lambda *paths: os._exit(9)\n"
        "files.write_whole(Path(sys.argv[1]), 'half')\n"
    )
    paths = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", script, str(own_file)],
        env={**os.environ, "PYTHONPATH": paths},
        timeout=60,
    )
    assert done.returncode == 9
    assert own_file.read_text() == before


def test_a_writer_that_fails_leaves_nothing(
    own_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(odd(), own_file, {})
    before = own_file.read_text()

    def full(*paths: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        save(replace(odd(), gemm=1e9), own_file, {})
    assert own_file.read_text() == before
    assert list(own_file.parent.iterdir()) == [own_file]


def test_the_file_is_in_the_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    found = calibration.calibration_file({"XDG_CACHE_HOME": "/somewhere"})
    assert found == Path("/somewhere/tnconv/calibration.json")
