"""A pytest plugin: the tests of a client library run with tnconv in its place.

``TNCONV_CLIENT`` names the client; how often each function of tnconv was called from it
is written to the file ``TNCONV_CLIENT_CALLS``, as JSON.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import tnconv

CLIENTS = "tnconv_backends.torch.clients"
CALLS: Counter[str] = Counter()
INSTALLED = ExitStack()


class Counted:
    """The module tnconv, whose functions count their calls."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(tnconv, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            CALLS[name] += 1
            return function(*args, **kwargs)

        return counted


def pytest_configure() -> None:
    """Install the client's adapter before its tests are collected."""
    client = import_module(f"{CLIENTS}.{os.environ['TNCONV_CLIENT']}")
    for module in (
        client,
        *(import_module(f"{CLIENTS}.{n}") for n in ("layers", "patches")),
    ):
        module.tnconv = Counted()  # type: ignore[attr-defined]
    INSTALLED.enter_context(client.install())


def pytest_unconfigure() -> None:
    """Write the counts."""
    INSTALLED.close()
    Path(os.environ["TNCONV_CLIENT_CALLS"]).write_text(json.dumps(CALLS), "utf-8")
