"""The networks of a real run, recorded for :func:`tnconv.tune`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from tnconv.execution.backend import Place
from tnconv.execution.files import write_whole
from tnconv.network import Network
from tnconv.options import Options, options
from tnconv.store.key import constraints_of
from tnconv.store.network_json import network_record
from tnconv.tuning.files import KIND, SCHEMA
from tnconv.tuning.tasks import device_name


@contextmanager
def record(path: str | PathLike[str]) -> Iterator[None]:
    """Write down every network that is planned or called in a ``with`` block.

    Gradients that PyTorch asks for are networks too, and so is whatever a layer of a
    model calls. ``tnconv tune PATH`` then tunes them as they were called: shapes,
    backend, dtype, device and options. Calls of expressions that were made before the
    block are not seen. Run it on one batch: each network is written once.

    Args:
        path: a JSON file, written (in one step) when the block ends, by an error too.

    Raises:
        OSError: the file cannot be written.

    >>> import pathlib, tempfile, numpy, tnconv
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "shapes.json")
    ...     with tnconv.record(path):
    ...         y = tnconv.conv(numpy.ones((1, 2, 9)), numpy.ones((4, 2, 3)))
    ...     "float64" in path.read_text()
    True
    """
    seen: dict[tuple[Network, Place, Options], None] = {}

    def watch(network: Network, place: Place, under: Options) -> None:
        seen.setdefault((network, place, under))

    try:
        with options(watch=watch):
            yield
    finally:
        entries = [_entry(*what) for what in list(seen)]
        write_whole(Path(path), _text(entries))


def _entry(network: Network, place: Place, under: Options) -> dict[str, Any]:
    return {
        "backend": place.backend,
        "dtype": place.dtype,
        "device": device_name(place),
        "constraints": constraints_of(under),
        "network": network_record(network),
    }


def _text(entries: list[dict[str, Any]]) -> str:
    """A network a line, each once."""
    lines = dict.fromkeys(json.dumps(entry) for entry in entries)
    body = ",\n".join(lines)
    return f'{{"kind": "{KIND}", "schema": {SCHEMA}, "networks": [\n{body}\n]}}\n'
