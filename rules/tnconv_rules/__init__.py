"""The simplification rules of tnconv, one family a file.

``STANDARD`` is run to a fixed point by :func:`tnconv.rewrite.simplify`: every rule in
it makes a network smaller or leaves a pattern out. ``ALTERNATIVES`` are other ways to
write a network, enumerated for a planner to price.
"""

from tnconv.rewrite import Alternative, Rule
from tnconv_rules import duplicates, free, injective, labels, lattice, padding, support
from tnconv_rules.alternatives import ALTERNATIVES as _ALTERNATIVES

# Simple ones first; the input leg is trimmed last, so that a class of injective pattern
# with unread input is recognized as what it is.
STANDARD: tuple[Rule, ...] = (
    *duplicates.RULES,
    *padding.RULES,
    *free.RULES,
    *support.RULES,
    *injective.RULES,
    *lattice.RULES,
    support.TRIM_INPUT,
    *labels.RULES,
)

ALTERNATIVES: tuple[Alternative, ...] = _ALTERNATIVES

__all__ = ["ALTERNATIVES", "STANDARD"]
