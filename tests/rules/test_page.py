"""The page on simplification says what the code does."""

import doctest
import re
from pathlib import Path

from tnconv.notation import parse, to_text
from tnconv_rules import ALTERNATIVES, STANDARD
from tnconv_rules.effect_table import table

PAGE = Path(__file__).parents[2] / "docs" / "simplification.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_every_example_is_what_its_rule_does() -> None:
    """A rule's paragraph, then ``before`` and ``=> after`` in a fence."""
    rules = {rule.name: rule for rule in STANDARD}
    seen = set()
    for paragraph in TEXT.split("\n**`")[1:]:
        name = paragraph.split("`", 1)[0]
        if name not in rules or "\n```\n" not in paragraph.split("\n### ")[0]:
            continue
        block = paragraph.split("\n```\n")[1]
        before, after = block.strip().split("\n=> ")
        smaller = rules[name].apply(parse(before))
        assert smaller is not None, name
        assert to_text(smaller) == after, name
        seen.add(name)
    assert set(rules) - seen == {"vanished-label"}


def test_every_rule_and_alternative_is_there_in_order() -> None:
    assert re.findall(r"^\*\*`([\w-]+)`\*\*", TEXT, re.M) == [r.name for r in STANDARD]
    names = re.findall(r"^- \*\*(.+?)\*\*", TEXT, re.M)
    assert names == [a.name for a in ALTERNATIVES]


def test_the_table_is_what_the_command_prints() -> None:
    start, end = "<!-- effect table -->\n", "\n<!-- end of effect table -->"
    shown = TEXT.split(start)[1].split(end)[0]
    assert shown == table()


def test_the_example_on_the_page_runs() -> None:
    test = doctest.DocTestParser().get_doctest(TEXT, {}, PAGE.name, str(PAGE), 0)
    assert test.examples
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0
