"""Files of layers and networks, JSON or TOML, read with caution."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tnconv.errors import ArgumentError, TnconvError
from tnconv.network import Network
from tnconv.notation import parse
from tnconv.options import current
from tnconv.store.key import constraints_of, constraints_read, options_of
from tnconv.store.network_json import read_network
from tnconv.store.reading import BadRecordError, items, whole, words
from tnconv.tuning.tasks import Settings, Task, short, tasks_of

#: what a file of recorded networks says it is, and the newest this version reads
KIND, SCHEMA = "tnconv networks", 1
#: the longest file, in bytes
LONGEST = 1 << 26


def read_tasks(path: Path, settings: Settings) -> list[Task]:
    """The tasks of a file.

    It holds a list of layers, or a table with ``layers`` (records as
    :func:`tnconv.tuning.layers.read_layer` takes them) and ``networks``: each has
    ``notation``, ``shapes`` and ``sizes`` as :func:`tnconv.parse` takes them, or
    ``network``, which :func:`tnconv.record` wrote; and, if it likes, ``name``,
    ``backend``, ``dtype`` and ``device``. Raises ArgumentError where it does not.
    """
    found = parsed(path)
    if isinstance(found, list):
        found = {"layers": found}
    if not isinstance(found, dict) or not {"layers", "networks"} & set(found):
        raise ArgumentError(
            f"tune: {path} holds no layers or networks: give a list of layers, or a "
            "table with layers or networks"
        )
    if "kind" in found and (found["kind"], found.get("schema")) != (KIND, SCHEMA):
        raise ArgumentError(
            f"tune: {path} is {found['kind']!r:.40} of schema "
            f"{found.get('schema')!r:.20}; this version reads {KIND!r}, {SCHEMA}"
        )
    try:
        layers = items(found.get("layers", []), "layers")
        networks = items(found.get("networks", []), "networks")
        tasks = [*tasks_of(layers, settings), *_networks(networks, settings)]
    except (TnconvError, BadRecordError) as error:
        raise ArgumentError(f"{path}: {error}") from error
    if not tasks:
        raise ArgumentError(f"tune: {path} is an empty list")
    return tasks


def parsed(path: Path) -> Any:
    """What a file holds as plain values; ArgumentError where it is neither JSON nor
    TOML (by its name)."""
    if path.stat().st_size > LONGEST:
        raise ArgumentError(f"tune: {path} has more than {LONGEST} bytes")
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".toml":
            import tomllib

            return tomllib.loads(text)
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise ArgumentError(f"tune: {path} is not {kind}: {error}") from error


def _networks(entries: list[Any], settings: Settings) -> Iterator[Task]:
    for number, entry in enumerate(entries, 1):
        try:
            yield _task(entry, settings)
        except (TnconvError, BadRecordError) as error:
            raise ArgumentError(f"tune: network {number}: {error}") from error


def _task(entry: Any, settings: Settings) -> Task:
    if not isinstance(entry, Mapping):
        raise ArgumentError(f"is {entry!r:.40}, no table")
    network = _network(entry)
    name = words(entry.get("name", short(network)), "name")
    own = {
        what: words(entry[what], what)
        for what in ("backend", "dtype", "device")
        if entry.get(what) is not None
    }
    return settings.task(name, "", network, constraints=_constraints(entry), **own)


def _network(entry: Mapping[str, Any]) -> Network:
    if "network" in entry:
        return read_network(entry["network"])
    if "notation" not in entry:
        raise ArgumentError("it has neither notation nor network")
    sizes, shapes = entry.get("sizes", {}), entry.get("shapes")
    if not isinstance(sizes, dict):
        raise ArgumentError(f"sizes is {sizes!r:.40}, not a table of labels")
    return parse(
        words(entry["notation"], "notation", 10_000),
        sizes={label: whole(size, label) for label, size in sizes.items()},
        shapes=_shapes(shapes),
    )


def _shapes(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, dict):
        return {name: _shape(shape) for name, shape in value.items()}
    return [_shape(shape) for shape in items(value, "shapes")]


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(whole(size, "size") for size in items(value, "shape"))


def _constraints(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """The options a recorded network was planned under, with a memory limit in force
    in the place of a looser one."""
    if "constraints" not in entry:
        return None
    own = constraints_read(entry["constraints"])
    found = constraints_of(options_of(own))
    limits = (found["memory_limit"], current().memory_limit)
    known = [limit for limit in limits if limit is not None]
    return found | {"memory_limit": min(known, default=None)}
