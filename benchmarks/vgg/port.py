"""Ranks by the EVBMF that most people use, as musco-pytorch has it.

The package asks for libraries of its time: ``pip install --no-deps musco-pytorch`` and
this one file of it, which needs NumPy and SciPy alone, are enough.
"""

from __future__ import annotations

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from torch import nn

FILE = "pytorch/compressor/rank_selection/vbmf.py"


def ported_ranks(model: nn.Module) -> dict[str, tuple[int, ...]] | None:
    """Ranks of every layer whose weight is more than one row; None without the code."""
    port = _port()
    if port is None:
        return None
    found: dict[str, tuple[int, ...]] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and module.in_channels > 1:
            weight = module.weight.detach().numpy()
            out, into = weight, weight.swapaxes(0, 1)
            found[name] = (_rank(port, out), _rank(port, into))
        elif isinstance(module, nn.Linear):
            found[name] = (_rank(port, module.weight.detach().numpy()),)
    return found


def _rank(port: Any, array: Any) -> int:
    """Of the unfolding along the first axis, the shorter side first as it wants it."""
    matrix = array.reshape(len(array), -1)
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.T
    _, values, _, _ = port.EVBMF(matrix)
    return max(1, int(values.shape[0]))


def _port() -> Any:
    spec = find_spec("musco")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / FILE
    own = spec_from_file_location("vbmf", path)
    assert own is not None and own.loader is not None
    module = module_from_spec(own)
    own.loader.exec_module(module)
    return module
