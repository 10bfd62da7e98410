"""Stages announce what takes long, and only that; tables line up."""

import re
import sys
import time
from typing import Any

import pytest

from tnconv import console
from tnconv.console import stage, table


def test_a_short_stage_says_nothing(capsys: Any) -> None:
    with stage("blinking") as update:
        update(1, 2)
    assert capsys.readouterr() == ("", "")


def test_a_long_stage_is_announced_and_timed(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(console, "PATIENCE", 0.02)
    with stage("thinking"):
        time.sleep(0.2)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "thinking ..."
    assert re.fullmatch(r"thinking: \d\.\d s", last)


def test_an_error_passes_through_a_stage(capsys: Any) -> None:
    with pytest.raises(KeyError), stage("failing"):
        raise KeyError
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar(capsys: Any, monkeypatch: Any) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with stage("painting") as update:
        update(1, 2)
        update(2, 2)
    assert capsys.readouterr().out == ""


def test_columns_line_up() -> None:
    lines = table(("a", "ms"), [("long name", "1"), ("b", "20")]).splitlines()
    assert lines == ["a          ms", "long name   1", "b          20"]
