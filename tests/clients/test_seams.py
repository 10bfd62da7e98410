"""Adapters are put in, taken out, and say what is missing."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from importlib import import_module
from types import ModuleType

import pytest

from tnconv.errors import MissingDependencyError
from tnconv_backends.torch.clients import seams

CLIENTS = ("backpack", "curvlinops", "opacus", "singd")


def test_what_was_replaced_comes_back() -> None:
    owner = ModuleType("owner")
    owner.__dict__["name"] = "theirs"
    table = {"known": 1, "other": 2}
    with ExitStack() as stack:
        seams.replace(stack, owner, "name", "ours")
        seams.restore(stack, table, ("known", "new"))
        table |= {"known": 3, "new": 4, "other": 5}
        assert vars(owner)["name"] == "ours"
    assert vars(owner)["name"] == "theirs"
    assert table == {"known": 1, "other": 5}


def test_what_a_version_lacks_is_said() -> None:
    with pytest.raises(MissingDependencyError, match="owner has no name"):
        seams.replace(ExitStack(), ModuleType("owner"), "name", "ours")


@pytest.mark.parametrize("name", CLIENTS)
def test_a_missing_client_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = import_module(f"tnconv_backends.torch.clients.{name}")
    for module in [m for m in sys.modules if m.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        client.install()
