"""Every rule, alone, keeps the value of random networks, and fires on some of them."""

import pytest

from tnconv.rewrite import Rule
from tnconv.testing import check_rule
from tnconv_rules import STANDARD


@pytest.mark.parametrize("rule", STANDARD, ids=lambda rule: rule.name)
def test_rule_keeps_the_value(rule: Rule) -> None:
    assert check_rule(rule, examples=150) > 2
