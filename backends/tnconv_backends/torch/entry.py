"""Models that a command line names: ``package.module:function``."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from torch import nn

from tnconv.errors import ArgumentError


def made(name: str, command: str) -> nn.Module:
    """The model that a function without arguments returns, the current folder searched
    as well; ArgumentError, in the name of a command, where there is none."""
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise ArgumentError(
            f"{command}: {name!r} is no function; give package.module:function"
        )
    sys.path.insert(0, os.getcwd())  # as python -m has it
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ArgumentError(f"{command}: {name!r} is not there ({error})") from error
    finally:
        sys.path.pop(0)
    model = found()
    if not isinstance(model, nn.Module):
        raise ArgumentError(
            f"{command}: {name} returns a {type(model).__name__}, no torch.nn.Module"
        )
    return model
