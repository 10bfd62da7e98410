"""A plan written again in blocks: the same result, and less held."""

import math
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import oracles
from tests.libraries import NUMPY, TORCH, Array, Library
from tests.strategies import Case, Limits, cases, seeds
from tests.test_networks import built

from tnconv import networks
from tnconv.execution.expression import expression
from tnconv.execution.liveness import peak_bytes
from tnconv.execution.program import Loop
from tnconv.execution.registry import backend
from tnconv.network import Network
from tnconv.options import changed, current
from tnconv.planning import looped as blocks
from tnconv.planning.blocks import Cut
from tnconv.planning.charge import Charge
from tnconv.planning.constants import nearest
from tnconv.planning.device import cpu
from tnconv.planning.looped import looped
from tnconv.planning.machine import Machine
from tnconv.planning.rivals import Planned, unlimited

OPERATIONS = ("conv", "conv_weight_vjp", "conv_input_vjp", "kfac_input_factor")
SETTINGS = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
)


@pytest.mark.parametrize("library", (NUMPY, TORCH), ids=lambda lib: lib.name)
@pytest.mark.parametrize("operation", OPERATIONS)
@SETTINGS
@given(data=st.data())
def test_blocks_change_no_result(library: Library, operation: str, data: Any) -> None:
    case = data.draw(cases(operation, Limits(axes=(1, 2, 2, 3), filled=True)))
    case.shapes.pop("bias", None)
    check(case, library, data.draw(seeds()))


def charged(
    planned: Planned, machine: Machine, itemsize: int, share: float = math.inf
) -> Charge:
    """The charge for a plan's network."""
    return Charge.of(planned.network, machine, itemsize, share)


def held(planned: Planned) -> int:
    """Bytes of arrays beyond inputs and result."""
    return peak_bytes(planned.program, 8, lambda step, shapes: 0)


def check(case: Case, library: Library, seed: int) -> None:
    """Memory so dear that every plan that holds some is cut, against the oracle."""
    arrays = case.normals(seed)
    found = sum(run_cut(network, library, arrays) for network in built(case))
    expected = case.apply(oracles, arrays)
    scale = np.max(np.abs(expected), initial=1.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * scale)


def run_cut(network: Network, library: Library, arrays: dict[str, Array]) -> Array:
    """The result of the plan that holds least."""
    dear = replace(nearest(library.name, cpu(2)), fresh=1.0)
    plain = expression(network, backend=library.name, dtype="float64")
    whole = unlimited(network, nearest(library.name, cpu(2)), 8, current())
    cut = looped(whole, charged(whole, dear, 8))
    assert held(cut) <= held(whole)
    run = replace(plain, planned=cut)
    given = [library.array(arrays[k], "float64") for k in network.arguments]
    place = backend(library.name).place(library.array(np.zeros(1), "float64"))
    return library.values(run.compiled(place)(given))


def test_large_intermediates_are_held_a_block_at_a_time() -> None:
    case = Case("conv", {"x": (8, 16, 40, 40), "weight": (16, 16, 3, 3)}, (), {})
    forms = changed(current(), {"forms": ["window", "gemm"]})
    whole = unlimited(built(case)[0], nearest("numpy", cpu(2)), 4, forms)
    machine = nearest("numpy", cpu(2))
    dear = looped(whole, charged(whole, replace(machine, fresh=1.0), 4))
    free = looped(whole, charged(whole, replace(machine, fresh=1e18), 4))
    assert isinstance(dear.program.steps[0], Loop)
    assert free is whole
    assert held(dear) < held(whole) / 4
    assert dear.plan.blocks is not None


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize(
    "network",
    [
        networks.conv((8, 64, 56, 56), (64, 64, 3, 3), padding=1),
        networks.conv_weight_vjp((8, 64, 3000), (8, 64, 3000), (31,), padding=15),
        networks.conv_input_vjp(
            (128, 1, 7, 7), (8, 128, 28, 28), (28, 28), padding=3, groups=128
        ),
    ],
    ids=["forward", "weight", "input"],
)
def test_no_blocks_are_cheaper_than_their_bound(network: Network, name: str) -> None:
    """Blocks that are not written for their bound are none that would win."""
    machine = nearest(name, cpu(2))
    planned = unlimited(network, machine, 4, current())
    charge, checked = charged(planned, machine, 4, 1.0), 0
    whole = blocks._Whole.of(planned, charge, charge.held(planned.program))
    for label in blocks._labels(planned.plan.network):
        for size in islice(blocks._halvings(planned.plan.network.sizes[label]), 3):
            cut = Cut(label, size)
            found = blocks.blocked(planned, cut, charge)
            if found is not None:
                price = charge.price(found.seconds, charge.held(found.program))
                assert whole.least(cut) <= price * (1 + 1e-9)
                checked += 1
    assert checked > 3
