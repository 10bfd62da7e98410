"""Factorized layers in a real process group: two processes, one gradient."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.torch.compress.replicas import (
    PROCESSES,
    batch,
    gradients,
    model,
    replica,
)
from torch import distributed


@pytest.mark.skipif(not distributed.is_available(), reason="PyTorch without processes")
def test_two_processes_train_as_one_does_on_all_examples(tmp_path: Path) -> None:
    processes: Any = torch.multiprocessing
    processes.spawn(replica, args=(str(tmp_path),), nprocs=PROCESSES)
    single = model()
    optimizer = torch.optim.SGD(single.parameters(), lr=0.1)
    wanted = []
    for _ in range(2):
        wanted.append(gradients(single, batch()))
        optimizer.step()
    assert wanted[0].keys() == dict(single.named_parameters()).keys()
    assert all(bool(g.any()) for g in wanted[0].values())
    for rank in range(PROCESSES):
        found, state = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(state, dict(single.state_dict()))
