"""What tests of networks and rules need: the meaning of a network, and random ones.

``evaluate`` computes a network by its definition, ``networks`` is a hypothesis strategy
that draws small ones, ``check_rule`` holds a rewriting rule to the definition on them.
Needs NumPy, and hypothesis for the last two; both are imported when called.
"""

from tnconv.testing.check import check_rule, integer_arrays
from tnconv.testing.definition import evaluate
from tnconv.testing.draw import networks

__all__ = ["check_rule", "evaluate", "integer_arrays", "networks"]
