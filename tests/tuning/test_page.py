"""What docs/tune.md shows is what the command takes."""

import json
import re
import shlex
from pathlib import Path

import pytest

from tnconv.cli import _parser
from tnconv.tuning.files import read_tasks
from tnconv.tuning.layers import OPERATIONS, TRAINING
from tnconv.tuning.tasks import Settings

PAGE = (Path(__file__).resolve().parents[2] / "docs/tune.md").read_text("utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)
    return str(found)


def test_files_of_the_page_can_be_read(tmp_path: Path) -> None:
    layers, networks = tmp_path / "layers.json", tmp_path / "networks.toml"
    layers.write_text(block("json"))
    networks.write_text(block("toml"))
    (stem,) = read_tasks(layers, Settings(operations=["forward"]))
    assert stem.network.shape == (8, 64, 112, 112)
    assert json.loads(block("json"))[0]["name"] == stem.name == "stem"
    (second,) = read_tasks(networks, Settings())
    assert second.network.shape == (16, 5, 16, 5)


COMMANDS = re.findall(r"^    (tnconv [^#\n]*)", PAGE, re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_page_are_known(command: str) -> None:
    assert len(COMMANDS) >= 5
    _parser().parse_args(shlex.split(command)[1:])


def test_operations_of_the_page_are_all() -> None:
    for name in OPERATIONS:
        assert f"`{name}`" in PAGE
    text = _parser().parse_args(["tune", "x.json"]).operations
    assert tuple(text) == TRAINING
