"""Right results, by PyTorch, an example at a time: every contestant is held to them.

The operators of forward and VJPs are PyTorch's own; a Kronecker factor is the sum over
examples of unfolded inputs times themselves, so that it fits where a whole batch does
not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.cases import Case
from benchmarks.contestants import native, unfold


class Wrong(Exception):
    """A result that is not the expected one."""


def expected(case: Case) -> Any:
    """The result of a case on PyTorch tensors."""
    import torch

    if case.kind in ("expand", "reduce"):
        return (
            sum(_factor(example, case) for example in case.wide.split(1)) / case.batch
        )
    if case.kind == "weights":
        pairs = zip(case.wide.split(1), case.narrow.split(1), strict=True)
        one = replace(case, operation="weight-vjp", batch=1)
        return torch.stack(
            [native.backward(replace(one, wide=a, narrow=b))() for a, b in pairs]
        )
    if case.kind == "weight":
        return native.backward(case)()
    return native.either(case)()


def _factor(example: Any, case: Case) -> Any:
    columns = unfold.windows(example, case.layer)
    columns = columns.reshape(case.layer.groups, -1, columns.shape[-1])
    if case.kind == "reduce":
        columns = columns.mean(-1, keepdim=True)
    return columns @ columns.mT


def check(result: Any, wanted: Any, tolerance: float = 1e-4) -> None:
    """Raise :class:`Wrong` where shape or values (over the largest) differ."""
    import torch

    found = torch.as_tensor(result)
    if tuple(found.shape) != tuple(wanted.shape):
        raise Wrong(
            f"wrong result: shape {tuple(found.shape)}, not {tuple(wanted.shape)}"
        )
    error = ((found - wanted).abs().max() / (wanted.abs().max() + 1e-30)).item()
    if not error <= tolerance:
        raise Wrong(f"wrong result: relative error {error:.1e}")
