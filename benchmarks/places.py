"""Where a case runs: its arrays there, a call that ends there, the memory it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchmarks.cases import Case
from benchmarks.measure import extra_bytes

Call = Callable[[], Any]
CPU = "cpu"


def case_on(case: Case, library: str, device: str) -> Case:
    """The case on arrays of a library at a device."""
    if library == "numpy":
        return case
    if library == "cupy":
        import cupy

        with cupy.cuda.Device(_number(device)):
            arrays = {role: cupy.asarray(a) for role, a in case.arrays.items()}
        return replace(case, **arrays)
    return case.torch(device)


def exact_case(case: Case, device: str) -> Case:
    """The case that the expected result is of: in double precision on a GPU, whose
    gradients of weights can be a hundredth off in single precision."""
    found = case.torch(device)
    if device == CPU:
        return found
    return replace(found, **{role: a.double() for role, a in found.arrays.items()})


def same_precision() -> None:
    """Let PyTorch round like everybody else: its convolutions would use TF32."""
    import torch

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def finished(call: Call, device: str) -> Call:
    """The call, and the wait for the device; on a CPU a call is done when it returns.

    The wait is for the whole device: CuPy and PyTorch have streams of their own.
    """
    if device == CPU:
        return call
    from torch import cuda

    def waited() -> Any:
        result = call()
        cuda.synchronize(device)
        return result

    return waited


def extra_there(call: Call, library: str, device: str) -> int | None:
    """Peak memory of a call beyond what was held before, and its result."""
    if device == CPU:
        return extra_bytes(call)
    return _extra_cupy(call) if library == "cupy" else _extra_torch(call, device)


def _extra_torch(call: Call, device: str) -> int:
    from torch import cuda

    cuda.synchronize(device)
    cuda.reset_peak_memory_stats(device)
    before = cuda.memory_allocated(device)
    result = call()
    return max(0, int(cuda.max_memory_allocated(device) - before - result.nbytes))


def _extra_cupy(call: Call) -> int:
    import cupy

    class Held(cupy.cuda.MemoryHook):  # type: ignore[misc]
        """Bytes handed out and not given back, and the most of them."""

        name = "held"
        now = most = 0

        def malloc_postprocess(self, **facts: int) -> None:
            self.now += facts["mem_size"]
            self.most = max(self.most, self.now)

        def free_postprocess(self, **facts: int) -> None:
            self.now -= facts["mem_size"]

    with Held() as held:
        result = call()
    return max(0, int(held.most - result.nbytes))


def _number(device: str) -> int:
    return int(device.partition(":")[2] or 0)


def device_name(device: str) -> str:
    """The GPU's name; empty for a CPU, which the header names anyway."""
    if device == CPU:
        return ""
    from torch import cuda

    return str(cuda.get_device_name(device))
