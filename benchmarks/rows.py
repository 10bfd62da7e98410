"""A small file of results: a header and rows, written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def read(folder: Path, name: str) -> dict[str, Any]:
    """What a part wrote, or nothing yet."""
    path = folder / f"{name}.json"
    known: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return known


def write(folder: Path, name: str, header: dict[str, Any], rows: list[Any]) -> None:
    """A header and a row a line, in the place of what was there."""
    lines = ",\n".join(json.dumps(row) for row in rows)
    text = f'{{"header": {json.dumps(header)},\n"rows": [\n{lines}\n]}}\n'
    new = folder / f"{name}.json.new"
    new.write_text(text, "utf-8")
    os.replace(new, folder / f"{name}.json")
