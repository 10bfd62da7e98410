"""Writing the plan of an expression to the user's store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tnconv.errors import ArgumentError
from tnconv.store.canonical import TooSymmetricError, canonical
from tnconv.store.lookup import Job
from tnconv.store.manage import own_database
from tnconv.store.records import Record

if TYPE_CHECKING:
    from tnconv.execution.expression import Expression


def keep(expression: Expression) -> str:
    """Write an expression's plan to the user's store; the key it is found by.

    A plan that is measured there already is left.
    """
    place = own_database()
    try:
        network = canonical(expression.searched).network
    except TooSymmetricError as error:
        raise ArgumentError(
            "keep: the network is too symmetric for a canonical form, so its plan "
            "cannot be found again"
        ) from error
    machine = expression.backend.machine(expression.place)
    job = Job(machine, expression.dtype, expression.itemsize, expression.options)
    key, options = job.key(network), expression.options
    seed = options.seed if options.planner == "hyper" else None
    place.put([Record.of(key, job.searched(network), seed=seed)])
    return key.digest
