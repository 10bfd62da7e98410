"""Holding a rule to the definition: same value before and after, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tnconv.network import Network
from tnconv.rewrite import Rule
from tnconv.testing.definition import evaluate
from tnconv.testing.draw import networks

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def integer_arrays(network: Network, seed: int = 0) -> dict[str, Any]:
    """Arrays of small random integers for every input, so that sums are exact."""
    import numpy as np

    random = np.random.default_rng(seed)
    return {
        name: random.integers(-4, 5, size=shape)
        for name, shape in network.arguments.items()
    }


def check_rule(
    rule: Rule,
    strategy: SearchStrategy[Network] | None = None,
    *,
    examples: int = 200,
) -> int:
    """Apply a rule to drawn networks; assert the value stays; count how often it fired.

    Raises AssertionError with the two networks where the values differ.
    """
    import hypothesis

    fired = 0

    @hypothesis.seed(0)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(networks() if strategy is None else strategy)
    def holds(network: Network) -> None:
        nonlocal fired
        smaller = rule.apply(network)
        if smaller is None:
            return
        fired += 1
        assert_same(network, smaller, rule.name)

    holds()
    return fired


def assert_same(before: Network, after: Network, what: str) -> None:
    """Assert that two networks give equal results on random integers."""
    import numpy as np

    arrays = integer_arrays(before)
    expected, found = evaluate(before, arrays), evaluate(after, arrays)
    if expected.shape != found.shape or not np.array_equal(expected, found):
        raise AssertionError(
            f"{what} changed the value of\n  {before}\n  {dict(before.sizes)}\nto\n"
            f"  {after}\n  {dict(after.sizes)}\n{expected}\n{found}"
        )
