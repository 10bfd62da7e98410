"""What each of two processes does in the test of distributed training."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from tnconv_backends.torch.compress import (
    FactorizedConv2d,
    FactorizedConvTranspose2d,
    FactorizedLinear,
)

Tensor = torch.Tensor
Values = dict[str, Tensor]
PROCESSES = 2


def model() -> nn.Sequential:
    """Factorized layers of three kinds, the same in each call."""
    torch.manual_seed(0)
    return nn.Sequential(
        FactorizedConv2d(3, 6, 3, padding=1, format="cp", ranks=3),
        nn.Tanh(),
        FactorizedConvTranspose2d(6, 4, 3, stride=2, format="tucker2", ranks=2),
        nn.Tanh(),
        nn.Flatten(),
        FactorizedLinear(4 * 9 * 9, 5, format="svd-in", ranks=3),
    ).double()


def batch() -> Tensor:
    """Examples for all processes together."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(4, 3, 4, 4, generator=generator, dtype=torch.float64)


def gradients(module: nn.Module, x: Tensor) -> Values:
    """Of a mean over examples, by the name of the parameter."""
    module.zero_grad()
    module(x).square().mean().backward()
    return {
        name.removeprefix("module."): parameter.grad.clone()
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }


def replica(rank: int, folder: str) -> None:
    """Take two steps on a share of the examples; keep gradients and parameters."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        init_method=f"{Path(folder, 'meet').as_uri()}",
        rank=rank,
        world_size=PROCESSES,
    )
    own = model()
    if rank:  # replicas start as the first one is
        with torch.no_grad():
            for parameter in own.parameters():
                parameter.zero_()
    shared = DistributedDataParallel(own)
    optimizer = torch.optim.SGD(own.parameters(), lr=0.1)
    found = []
    for _ in range(2):
        found.append(gradients(shared, batch()[rank::PROCESSES]))
        optimizer.step()
    torch.save((found, own.state_dict()), Path(folder, f"{rank}.pt"))
    distributed.destroy_process_group()
