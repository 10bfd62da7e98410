"""Where a client library is changed, and changed back."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from contextlib import ExitStack
from importlib import import_module
from types import ModuleType
from typing import Any

from tnconv.errors import MissingDependencyError


def late(name: str, requirement: str) -> ModuleType:
    """A module of a client library, or an error that says what to install."""
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            f"tnconv_backends.torch.clients: {name} cannot be imported ({error}); "
            f"install it with: pip install '{requirement}'"
        ) from error


def replace(stack: ExitStack, owner: Any, name: str, value: Any) -> None:
    """Set an attribute that is there already, until ``stack`` is closed.

    Raises :class:`~tnconv.errors.MissingDependencyError` where the library has no such
    attribute, as another version of it may have.
    """
    if name not in vars(owner):
        where = getattr(owner, "__name__", repr(owner))
        raise MissingDependencyError(
            f"tnconv_backends.torch.clients: {where} has no {name}; the versions that "
            "are known to work are in docs/clients.md"
        )
    stack.callback(setattr, owner, name, vars(owner)[name])
    setattr(owner, name, value)


def restore(
    stack: ExitStack, table: MutableMapping[Any, Any], keys: Iterable[Any]
) -> None:
    """Have these entries of a table as they are now once ``stack`` is closed."""
    before = {key: table[key] for key in keys if key in table}

    def back(keys: tuple[Any, ...] = tuple(keys)) -> None:
        for key in keys:
            table.pop(key, None)
        table.update(before)

    stack.callback(back)
