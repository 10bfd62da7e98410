"""A calibration file of a test's own, and constants that no file ships."""

from dataclasses import replace

from tnconv.planning.constants import nearest
from tnconv.planning.device import Device, cpu
from tnconv.planning.machine import Machine

HERE = cpu(2)


def odd(name: str = "numpy", device: Device = HERE) -> Machine:
    """Constants that no file ships."""
    return replace(nearest(name, device), device=device, gemm=123e9, call=7e-6)
