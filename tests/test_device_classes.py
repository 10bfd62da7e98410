"""Device classes: which constants a device has, and whose plans it takes."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.calibrated import HERE, odd

import tnconv
from tnconv.execution import expression
from tnconv.execution.backend import Place
from tnconv.execution.calibration import machine_for, save
from tnconv.execution.registry import backend
from tnconv.planning.constants import nearest, shipped
from tnconv.planning.device import Device, blas_threads

pytestmark = pytest.mark.usefixtures("own_file")


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
