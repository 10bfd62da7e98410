"""The PyTorch backend: who is accepted, what is compiled, how it is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import array_api_compat.torch as compat_torch
import torch
from torch.autograd import forward_ad
from torch.compiler import is_compiling

from tnconv.errors import ArrayError
from tnconv.execution.backend import Place
from tnconv.execution.crew import Crew
from tnconv.execution.program import Program
from tnconv.planning.device import Device, cpu
from tnconv.planning.machine import Machine
from tnconv.planning.workspace import workspace
from tnconv_backends.allocator import shown_bytes
from tnconv_backends.measure import sample
from tnconv_backends.torch.autograd import contract, transforming
from tnconv_backends.torch.kernels import Run, TorchKernels

Array = Any

DENSE = torch.strided
#: sums of these run in float32 and are rounded once
WIDER = {"float16": "float32", "bfloat16": "float32"}
DTYPES = {
    getattr(torch, name): name
    for name in (
        "int8", "uint8", "int16", "int32", "int64", "float16", "bfloat16", "float32",
        "float64", "complex64", "complex128",
    )
}  # fmt: skip


class TorchBackend:
    """Tensors of PyTorch, on any device, differentiably."""

    name = "torch"
    windows = True
    native_convolution = True
    in_place = True
    autodiff = True
    spreads = True

    def accepts(self, kind: type) -> bool:
        """Tensors, subclasses included."""
        return issubclass(kind, torch.Tensor)

    def place(self, array: Array) -> Place:
        """Dtype and device of a dense tensor."""
        if array.layout is not DENSE:
            raise ArrayError(
                f"a tensor of layout {str(array.layout).removeprefix('torch.')} is not "
                "dense; convert it with .to_dense() first"
            )
        name = DTYPES.get(array.dtype)
        if name is None:
            raise ArrayError(
                f"dtype {str(array.dtype).removeprefix('torch.')} is none that PyTorch "
                f"multiplies and adds in full; convert to one of "
                f"{', '.join(DTYPES.values())}"
            )
        return Place(self.name, torch, name, array.device)

    def machine(self, place: Place) -> Machine:
        """The constants for the device class of a place."""
        from tnconv.execution.calibration import machine_for

        return machine_for(self.name, device_class(place)).with_dtype(place.dtype)

    def home(self, dtype: str, device: Any = None) -> Place:
        """The place of new tensors, on the CPU for None."""
        return Place(self.name, compat_torch, dtype, torch.device(device or "cpu"))

    def sample(self, place: Place, shape: Sequence[int], seed: int) -> Array:
        """A tensor of varied values, the same for the same seed."""
        return sample(compat_torch, place, tuple(shape), seed)

    def wait(self, array: Array) -> None:
        """Return when the device has computed everything asked of it."""
        if array.device.type != "cpu":
            torch.accelerator.synchronize(array.device)

    def compile(self, program: Program, place: Place, crew: Crew | None = None) -> Run:
        """A closure that runs the program on tensors at that place; in main memory,
        the allocator is shown what the program will hold."""
        run: Run = _compiled(program, place, self.machine(place), crew)
        return run

    def call(self, run: Run, job: Any, arrays: Sequence[Array]) -> Array:
        """Run; where derivatives are wanted, through the one autograd function."""
        if is_compiling():
            return _uncompiled(run, job, arrays)
        watched = forward_ad._current_level >= 0 or transforming()
        for array in arrays:
            if array.layout is not DENSE:  # a cached call may meet a sparse tensor
                self.place(array)
            if array.requires_grad:
                watched = True
        return contract(run, job, arrays) if watched else run(arrays)


def device_class(place: Place) -> Device:
    """The processor with PyTorch's threads, or a GPU by its name."""
    where: Any = place.device
    device = torch.device("cpu" if where is None else where)
    if device.type == "cuda":
        return Device("cuda", torch.cuda.get_device_name(device))
    if device.type in ("cpu", "meta"):
        return cpu(torch.get_num_threads())
    return Device(device.type, device.type)


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _compiled(
    program: Program, place: Place, machine: Machine, crew: Crew | None
) -> Run:
    wide = WIDER.get(place.dtype)
    dtype = getattr(torch, wide or place.dtype)
    if machine.device.kind == "cpu":
        size = shown_bytes(program, dtype.itemsize, workspace(machine, dtype.itemsize))
        torch.empty(size, dtype=torch.uint8, device="cpu")
    run = TorchKernels(compat_torch, dtype, place.device, crew).bind_program(program)
    if wide is not None:
        narrow = getattr(torch, place.dtype)
        return lambda arrays: run([a.to(dtype) for a in arrays]).to(narrow)
    if dtype.is_complex:
        return lambda arrays: run(arrays).resolve_conj()
    return run


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _uncompiled(run: Run, job: Any, arrays: Sequence[Array]) -> Array:
    """Between two graphs of ``torch.compile``: a plan is run as it is."""
    return contract(run, job, arrays)
