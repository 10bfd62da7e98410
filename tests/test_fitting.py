"""Constants from measured times: probes, fits, and what calibrating writes."""

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.calibrated import HERE

from tnconv.errors import ArgumentError
from tnconv.execution.calibrate import Calibration, calibrate, save_calibration
from tnconv.execution.calibration import machine_for
from tnconv.execution.probes import groups
from tnconv.execution.registry import backend
from tnconv.planning.constants import nearest
from tnconv.planning.device import Device
from tnconv.planning.fit import Sample, fitted, misfit, predicted

pytestmark = pytest.mark.usefixtures("own_file")


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
def test_every_group_tells_of_each_of_its_constants(name: str) -> None:
    """A constant that is off is found again from the probes of its group alone, but for
    the rate of memory where sums are slower than that."""
    # of one class of processors, whichever runs this
    truth, lost = nearest(name, Device("cpu", "AMD EPYC (26/2)", 2)), []
    for group in groups(truth):
        samples = [Sample(p, predicted(p, truth, 4)) for p in group.programs]
        for constant in group.names:
            if not isinstance(constant, str) or not getattr(truth, constant):
                continue
            off = replace(truth, **{constant: 2.5 * getattr(truth, constant)})
            found = fitted(off, samples, (constant,), 4)
            # where fresh memory begins is seen between probes of twice the size
            rel = 1.0 if constant == "fresh_from" else 0.25
            if getattr(found, constant) != pytest.approx(
                getattr(truth, constant), rel=rel
            ):
                lost.append((group.title, constant))
    assert lost == ([("sums", "read")] if name == "array_api" else [])


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
