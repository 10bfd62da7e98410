"""Autocast as PyTorch's own layers have it: tensors of its type, and then none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Tensor = torch.Tensor


def outside_autocast(run: Callable[..., Tensor], *tensors: Tensor | None) -> Tensor:
    """Run on tensors of the type that autocast asks for, where one is in force.

    The first tensor says which device; inside, autocast is off, so that what
    ``run`` does is done in that type.
    """
    first: Any = tensors[0]
    device = first.device.type
    if not torch.is_autocast_enabled(device):
        return run(*tensors)
    dtype = torch.get_autocast_dtype(device)
    cast = (None if tensor is None else tensor.to(dtype) for tensor in tensors)
    with torch.autocast(device, enabled=False):
        return run(*cast)
