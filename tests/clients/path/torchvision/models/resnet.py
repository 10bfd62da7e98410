"""Parts of a residual network, without parameters."""

from typing import Any

import torch
from torch import nn


class BasicBlock(nn.Module):
    """A ReLU, whatever it is asked for."""

    expansion = 1

    def __init__(self, *sizes: Any, **more: Any) -> None:
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The ReLU."""
        found: torch.Tensor = self.relu(x)
        return found


def conv1x1(*sizes: int) -> nn.Module:
    """A ReLU as well."""
    return nn.ReLU()
