"""What a plan is kept under: its network, where it runs, and what it must keep to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from tnconv.errors import ArgumentError
from tnconv.network import Network
from tnconv.options import Options, changed, current
from tnconv.planning.device import Device
from tnconv.store.network_json import network_record, structure_record
from tnconv.store.reading import table

#: the options that plans depend on
CONSTRAINTS = ("alternatives", "forms", "memory_limit", "memory_share", "planner")
#: one that is written down only where it is set
TARGET = "memory_target"


@dataclass(frozen=True)
class Key:
    """A canonical network, backend, device class, dtype, and options that matter.

    ``str`` gives the digest that records are found by; two keys that differ in sizes
    only share their ``structure``.
    """

    network: Network
    backend: str
    device: Device
    dtype: str
    constraints: Mapping[str, Any]

    @cached_property
    def _place(self) -> list[Any]:
        device = self.device
        where = [self.backend, device.kind, device.model, device.threads, self.dtype]
        return [where, dict(self.constraints)]

    @cached_property
    def digest(self) -> str:
        """32 hexadecimal digits."""
        return digest([network_record(self.network), *self._place])

    @cached_property
    def structure(self) -> str:
        """The same of the network less its sizes."""
        return digest([structure_record(self.network), *self._place])


def constraints_of(options: Options) -> dict[str, Any]:
    """The options that plans depend on, as plain values."""
    found = {name: getattr(options, name) for name in CONSTRAINTS}
    found["memory_share"] = repr(options.memory_share)  # JSON knows no infinity
    if options.memory_target is not None:
        found[TARGET] = repr(options.memory_target)
    if options.forms is not None:
        found["forms"] = sorted(options.forms)
    return found


def options_of(constraints: Mapping[str, Any]) -> Options:
    """The inverse of :func:`constraints_of`; ArgumentError where a value is odd."""
    changes = {TARGET: None, **constraints}
    for name in ("memory_share", TARGET):
        share = changes[name]
        try:
            if name in constraints:
                changes[name] = float(share)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"{name} is {share!r:.40}, not a number") from error
    return changed(current(), changes)


def constraints_read(value: Any) -> dict[str, Any]:
    """The table of what :func:`constraints_of` gives; BadRecordError for another."""
    aimed = isinstance(value, dict) and TARGET in value
    return table(value, "constraints", (*CONSTRAINTS, TARGET) if aimed else CONSTRAINTS)


def canonical_text(value: Any) -> str:
    """Plain values as one text, however their tables are ordered."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """The first 128 bits of the SHA-256 of plain values, in hexadecimal."""
    return sha256(canonical_text(value).encode()).hexdigest()[:32]
