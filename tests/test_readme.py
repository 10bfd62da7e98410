"""Every Python block of the README and of the pages in docs runs as printed."""

import doctest
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tnconv.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """The fenced blocks of a language: line number and text."""
    text = page.read_text("utf-8")
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [(text[: m.start(1)].count("\n"), m[1]) for m in fence.finditer(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks(page: Path) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for line, text in blocks(page, "python"):
        if ">>>" not in text:
            source = "\n" * line + text
            exec(compile(source, str(page), "exec"), names)
            continue
        examples = doctest.DocTestParser().get_doctest(
            text, names, page.name, str(page), line
        )
        runner = doctest.DebugRunner(optionflags=flags)
        runner.run(examples, clear_globs=False)
        assert runner.tries > 0
        names.update(examples.globs)


def test_the_readme_has_its_two_set_up_blocks_first() -> None:
    (_, demo), (_, tests), *_ = blocks(PAGES[0], "sh")
    assert "tnconv demo" in demo and "pytest" in tests
    for block in (demo, tests):
        assert block.startswith("python3 -m venv .venv")
        assert "pip install" in block
    assert len(blocks(PAGES[0], "python")) >= 3


def test_the_readme_shows_a_command_that_works(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = PAGES[0].read_text("utf-8")
    (command,) = re.findall(r"`tnconv (show [^`]*)`", text)
    assert main(shlex.split(command)) == 0
    assert capsys.readouterr().out


def test_links_between_pages_lead_somewhere() -> None:
    found = 0
    for page in PAGES:
        for target in re.findall(
            r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text("utf-8")
        ):
            if "://" not in target:
                found += 1
                assert (page.parent / target).exists(), f"{page.name}: {target}"
    assert found
