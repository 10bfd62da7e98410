"""Calibration: files that are read with caution and written whole; device classes."""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tnconv
from tnconv.errors import ArgumentError
from tnconv.execution import calibration, expression
from tnconv.execution.backend import Place
from tnconv.execution.calibrate import Calibration, calibrate, save_calibration
from tnconv.execution.calibration import CalibrationWarning, machine_for, save
from tnconv.execution.probes import groups
from tnconv.execution.registry import backend
from tnconv.planning.constants import (
    NUMBERS,
    from_record,
    nearest,
    shipped,
    to_record,
)
from tnconv.planning.device import Device, blas_threads, cpu
from tnconv.planning.fit import Sample, fitted, misfit, predicted
from tnconv.planning.machine import Machine

HERE = cpu(2)


@pytest.fixture(autouse=True)
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A calibration file of the test's own, which is not there yet."""
    path = tmp_path / "calibration.json"
    monkeypatch.setenv(calibration.VARIABLE, str(path))
    calibration._calibrated.cache_clear()
    yield path
    calibration._calibrated.cache_clear()


def odd(name: str = "numpy", device: Device = HERE) -> Machine:
    """Constants that no file ships."""
    return replace(nearest(name, device), device=device, gemm=123e9, call=7e-6)


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


def test_nearest_constants() -> None:
    assert nearest("cupy", Device("cuda", "G")).device.kind == "cuda"
    assert nearest("unheard of", HERE).name == "unheard of"
    assert machine_for("numpy", Device("cpu", "Other", 64)).device.threads == 64


def test_a_processor_like_others_has_the_constants_of_its_maker() -> None:
    cpus = [m for m in shipped() if m.name == "torch" and m.device.kind == "cpu"]
    known = {m.device.model for m in cpus}
    assert len(known) >= 3
    for model in known:
        maker, _, numbers = model.partition(" (")
        family = numbers.partition("/")[0]
        sibling = f"{maker} 1234 48-Core ({family}/99)"
        assert nearest("torch", Device("cpu", sibling, 64)).device.model == model
    stranger = nearest("torch", Device("cpu", "Somebody's Chip", 2))
    first = next(m for m in shipped() if m.name == "torch")
    assert stranger.device == first.device


@pytest.mark.parametrize(
    ("environment", "threads"),
    [
        ({"OPENBLAS_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3),
        ({"OMP_NUM_THREADS": "5,2"}, 5),
        ({"OMP_NUM_THREADS": "0"}, blas_threads({})),
        ({"OMP_NUM_THREADS": "many"}, blas_threads({})),
    ],
)
def test_threads_of_a_blas(environment: dict[str, str], threads: int) -> None:
    assert blas_threads(environment) == threads


def test_plans_are_kept_by_device_class(own_file: Path) -> None:
    torch = pytest.importorskip("torch")
    network = tnconv.networks.conv((2, 3, 9, 9), (4, 3, 3, 3))
    before, plans = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            place = Place("torch", None, "float32", None)
            assert backend("torch").machine(place).device.threads == threads
            plans.append(tnconv.expression(network, backend="torch").planned)
            assert tnconv.expression(network, backend="torch").planned is plans[-1]
    finally:
        torch.set_num_threads(before)
    assert plans[0] is not plans[1]


def test_a_calibration_makes_new_plans(own_file: Path) -> None:
    network = tnconv.networks.conv((2, 3, 9, 9), (4, 3, 3, 3))
    first = tnconv.expression(network).planned
    device = backend("numpy").machine(Place("numpy", None, "float32", "cpu")).device
    save(replace(odd(device=device), call=1e-3), own_file, {})
    second = tnconv.expression(network).planned
    assert second.seconds > 1e-3 > first.seconds
    assert expression.ITEMSIZE["float32"] == 4


def test_fitting_finds_the_constants_again() -> None:
    truth = nearest("torch", HERE)
    start = replace(truth, copy=truth.copy / 3, run=truth.run * 2, gemm=truth.gemm * 4)
    samples, names = [], []
    for group in groups(truth):
        if group.title in ("copies", "matrix products"):
            names += [n for n in group.names if n in ("copy", "run", "gemm")]
            samples += [Sample(p, predicted(p, truth, 4)) for p in group.programs]
    found = fitted(start, samples, names, 4)
    assert misfit(samples, start, 4) > 0.5
    assert misfit(samples, found, 4) < 0.05
    assert found.gemm == pytest.approx(truth.gemm, rel=0.1)


@pytest.mark.parametrize("name", ["numpy", "array_api", "torch"])
def test_every_probe_runs(name: str) -> None:
    if name == "torch":
        pytest.importorskip("torch")
    measured = backend(name)
    place = measured.home("float32")  # type: ignore[attr-defined]
    wide = 1 << 21
    for group in groups(measured.machine(place)):
        for program in group.programs:
            shapes = [shape for _, shape in program.inputs]
            if max(int(np.prod(shape)) for shape in shapes) > wide:
                continue
            arrays = [
                measured.sample(place, s, j)  # type: ignore[attr-defined]
                for j, s in enumerate(shapes)
            ]
            result = measured.compile(program, place)(arrays)
            assert tuple(result.shape) == program.shapes[program.result]
            assert set(group.names), "a group without constants"


@pytest.mark.parametrize("dtype", ["float32", "int32", "complex64", "float64"])
def test_samples_vary_and_repeat(dtype: str) -> None:
    measured: Any = backend("numpy")
    place = measured.home(dtype)
    first, again, other = (measured.sample(place, (40, 70), n) for n in (1, 1, 2))
    assert first.dtype == dtype
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(np.unique(first)) >= 7


def test_calibrating_writes_what_it_found(
    own_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr("tnconv.execution.calibrate.measured", _simulated)
    found = calibrate("numpy", update=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert found.after < 0.2 < found.before
    assert found.new.gemm == pytest.approx(TRUTH.gemm, rel=0.2)
    assert save_calibration(found) == own_file
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert machine_for("numpy", found.new.device) == found.new
    record = json.loads(own_file.read_text())["machines"][0]
    assert record["date"].endswith("Z")
    assert record["versions"]["numpy"] == np.__version__
    assert ("gemm", f"{found.old.gemm:.3g}", f"{found.new.gemm:.3g}") in found.rows()


TRUTH = replace(nearest("numpy", HERE), gemm=60e9, copy=5e9, call=2e-5)


def _simulated(backend: Any, place: Any, program: Any, seconds: float) -> float:
    """A machine that takes exactly as long as its constants say."""
    return predicted(program, TRUTH, 4)


def test_backends_without_arrays_cannot_be_calibrated() -> None:
    class Mute:
        name = "mute"

    from tnconv.execution.calibrate import measurable

    with pytest.raises(ArgumentError, match="makes no arrays"):
        measurable(Mute(), "calibrate")  # type: ignore[arg-type]
    assert isinstance(Calibration(TRUTH, TRUTH, 0.0, 0.0).rows()[0], tuple), (
        "a table without rows"
    )
