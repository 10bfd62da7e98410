"""PyTorch's forward mode warns about itself the first time it is used: use it here."""

import warnings

import pytest

torch = pytest.importorskip("torch")

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    one = torch.ones(1)
    torch.func.jvp(torch.sin, (one,), (one,))
