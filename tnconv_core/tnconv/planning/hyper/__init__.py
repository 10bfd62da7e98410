"""Beyond the exact search: engines propose contraction trees, our forms follow them.

cotengra (and opt_einsum's dynamic program, a second opinion) price patterns as dense
tensors, so a tree is advice (:mod:`~tnconv.planning.hyper.engines`): along it, every
join of two arrays is planned exactly together with the patterns waiting there
(:mod:`~tnconv.planning.hyper.follow`); then windows of the result are planned again by
what they cost, until nothing improves (:mod:`~tnconv.planning.hyper.windows`). One tree
is quick; :mod:`~tnconv.planning.hyper.trials` follows many, and lets a hyper-optimizer
learn from what they cost. This is the only folder that imports cotengra.
"""

from tnconv.planning.hyper.follow import follow_tree
from tnconv.planning.hyper.trials import Effort, hyper_search, judged

__all__ = ["Effort", "follow_tree", "hyper_search", "judged"]
