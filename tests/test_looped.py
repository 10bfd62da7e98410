"""A plan written again in blocks: the same result, and less held."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from benchmarks.layers import select
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import oracles
from tests.libraries import NUMPY, TORCH, Array, Library
from tests.strategies import Case, Limits, cases, seeds
from tests.test_networks import built

import tnconv
from tnconv import networks
from tnconv.execution.expression import expression, searched
from tnconv.execution.liveness import Beside, peak_bytes
from tnconv.execution.program import Block, Loop, Program, Scale, Stack, Sum
from tnconv.execution.registry import backend
from tnconv.functions.curvature import TARGETS
from tnconv.network import Network
from tnconv.networks.unfolded import Approximation
from tnconv.options import changed, current
from tnconv.planning import looped as blocks
from tnconv.planning.blocks import cut_labels
from tnconv.planning.charge import RENT, Charge, Held
from tnconv.planning.constants import nearest, shipped
from tnconv.planning.device import Device, cpu
from tnconv.planning.looped import looped
from tnconv.planning.machine import Machine
from tnconv.planning.planner import plan_network
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


INTEL = Device("cpu", "Intel(R) Xeon(R) Processor (6/167)", 2)


@pytest.mark.parametrize(("pixels", "cut"), [(64, False), (256, True)])
def test_native_calls_are_cut_where_what_they_pack_faults(
    pixels: int, cut: bool
) -> None:
    """A large map is convolved block by block, in memory that is used again."""
    network = networks.conv((8, 3, pixels, pixels), (64, 3, 7, 7), stride=2, padding=3)
    machine = nearest("torch", INTEL)
    whole = unlimited(network, machine, 4, current())
    found = plan_network(network, machine, 4, current())
    charge = Charge.of(network, machine, 4, 1.0)
    assert charge.is_free(charge.held(whole.program))  # no rent makes it cut
    assert (charge.packed(whole.program) > 0) == cut
    assert (found.plan.blocks is not None) == cut
    assert (found.seconds < whole.seconds) == cut


def test_memory_that_costs_nothing_is_not_avoided() -> None:
    network = networks.conv((8, 3, 256, 256), (64, 3, 7, 7), stride=2, padding=3)
    machine = replace(nearest("torch", INTEL), fresh=math.inf)
    assert plan_network(network, machine, 4, current()).plan.blocks is None


def charged(
    planned: Planned, machine: Machine, itemsize: int, share: float = math.inf
) -> Charge:
    """The charge for a plan's network."""
    return Charge.of(planned.network, machine, itemsize, share)


def held(planned: Planned) -> int:
    """Bytes of arrays beyond inputs and result."""
    return peak_bytes(planned.program, 8, lambda program, at: Beside())


def check(case: Case, library: Library, seed: int) -> None:
    """Memory so dear that every plan that holds some is cut, against the oracle."""
    arrays = case.normals(seed)
    found = sum(run_cut(network, library, arrays) for network in built(case))
    expected = case.apply(oracles, arrays)
    scale = np.max(np.abs(expected), initial=1.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * scale)


def run_cut(network: Network, library: Library, arrays: dict[str, Array]) -> Array:
    """The result of the plan that holds least."""
    dear = replace(nearest(library.name, cpu(2)), fresh=1.0, fresh_from=0.0)
    plain = expression(network, backend=library.name, dtype="float64")
    whole = unlimited(network, nearest(library.name, cpu(2)), 8, current())
    cut = looped(whole, charged(whole, dear, 8)).planned
    assert held(cut) <= held(whole)
    run = replace(plain, planned=cut)
    given = [library.array(arrays[k], "float64") for k in network.arguments]
    place = backend(library.name).place(library.array(np.zeros(1), "float64"))
    return library.values(run.compiled(place)(given))


def test_large_intermediates_are_held_a_block_at_a_time() -> None:
    case = Case("conv", {"x": (8, 16, 40, 40), "weight": (16, 16, 3, 3)}, (), {})
    forms = changed(current(), {"forms": ["window", "gemm"]})
    found = []
    for fresh in (1e6, 1e18):
        machine = replace(nearest("numpy", cpu(2)), fresh_from=1e6, fresh=fresh)
        whole = unlimited(built(case)[0], machine, 4, forms)
        found.append((whole, looped(whole, charged(whole, machine, 4)).planned))
    (whole, dear), (plain, free) = found
    assert isinstance(dear.program.steps[0], Loop)
    assert free is plain
    assert held(dear) < held(whole) / 2
    assert dear.plan.blocks is not None


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("approximation", ["expand", "reduce"])
def test_default_plans_of_kronecker_factors_hold_little(
    approximation: Approximation, name: str
) -> None:
    """The first layer of a ResNet, whose unfolded input is twelve times its input."""
    network = networks.kfac_input_factor(
        (8, 3, 224, 224), (7, 7), stride=2, padding=3, approximation=approximation
    )
    given = charged_network(network, name).given
    # of one class of processors, whichever runs this: prices decide what is held
    machine = nearest(name, Device("cpu", "AMD EPYC (26/2)", 2))
    network = searched(network, "float32")
    aimed = {"memory_target": TARGETS[approximation]}
    plain, greedy = (
        plan_network(network, machine, 4, changed(current(), changes))
        for changes in (aimed, {"memory_share": math.inf})
    )
    assert plain.peak <= TARGETS[approximation] * given
    assert plain.peak <= greedy.peak
    assert plain.seconds <= 1.2 * greedy.seconds


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_factors_of_real_layers_keep_to_their_share(data: Any) -> None:
    """What is held, or nothing to speak of; by the constants of any processor."""
    layers = [layer for layer in select(max_macs=4e8) if not layer.transposed]
    layer = data.draw(st.sampled_from(layers))
    kind = data.draw(st.sampled_from(("expand", "reduce")))
    machines = [m for m in shipped() if m.device.kind == "cpu" and m.strided]
    machine = data.draw(st.sampled_from(machines))
    network = networks.kfac_input_factor(
        (8, layer.wide[0], *layer.wide[1]),
        layer.kernel_size,
        approximation=kind,
        **layer.hyper(),
    )
    plan, free = (
        plan_network(searched(network, "float32"), machine, 4, changed(current(), how))
        for how in ({"memory_target": TARGETS[kind]}, {"memory_share": math.inf})
    )
    charge = Charge.of(network, machine, 4, 1.0, TARGETS[kind])
    assert plan.peak <= charge.most
    assert plan.seconds <= 2.5 * free.seconds


def test_the_door_of_an_operation_aims_and_options_have_the_last_word() -> None:
    x, seen = np.ones((2, 3, 9, 9), np.float32), []

    def watch(network: Network, place: Any, options: Any) -> None:
        seen.append(options.memory_target)

    with tnconv.options(watch=watch):
        tnconv.kfac_input_factor(x, 3)
        tnconv.kfac_input_factor(x, 3, approximation="reduce")
        tnconv.unfold(x, (3, 3))
        with tnconv.options(memory_target=math.inf):
            tnconv.kfac_input_factor(x, 3)
    assert seen == [1.2, 0.25, None, math.inf]


def test_what_is_beyond_a_target_costs_as_much_again_at_most() -> None:
    network = networks.conv((8, 64, 56, 56), (64, 64, 3, 3), padding=1)
    calm = replace(nearest("torch", cpu(2)), fresh_from=math.inf)
    charge = Charge.of(network, calm, 4, 1.0, 0.5)
    half = charge.given // 2
    assert charge.price(2.0, Held(0, half)) == 2.0
    more = charge.price(2.0, Held(0, half + charge.given // 40))
    assert math.isclose(more, 3.0, rel_tol=1e-4)
    assert charge.price(2.0, Held(0, 9 * charge.given)) == 4.0
    assert not charge.is_free(Held(0, half + 1))
    assert Charge.of(network, calm, 4, math.inf, 0.5).most == math.inf


def charged_network(network: Network, name: str) -> Charge:
    """The default charge for a network in float32."""
    return Charge.of(network, nearest(name, cpu(2)), 4, current().memory_share)


def test_rent_is_paid_for_bytes_beyond_what_is_free() -> None:
    network = networks.conv((8, 64, 56, 56), (64, 64, 3, 3), padding=1)
    charge = charged_network(network, "torch")
    free, more = int(charge.free), int(charge.free) + charge.given
    machine = replace(charge.machine, fresh_from=more + 1.0)
    charge = replace(charge, machine=machine)
    assert charge.price(2.0, Held(free, free)) == 2.0
    assert charge.price(2.0, Held(more, more)) == 2.0 * (1 + RENT)
    assert charge.price(2.0, Held(0, more)) == 2.0  # inside of the library's calls
    faulted = replace(charge, machine=replace(machine, fresh_from=0.0))
    assert faulted.price(2.0, Held(free, free)) > 2.0
    assert charge.is_free(Held(free, more)) and not charge.is_free(Held(free + 1, more))


def test_a_loop_holds_a_block_and_its_result() -> None:
    body = Program(
        (("x", (4, 5)),), (Sum((0,), (4,), (1,)), Scale((1,), (4,), 1, 2)), 2
    )
    part = ((0, 4), (0, 5))
    loop = Loop((0,), (4,), (Block((part,), ((0, 4),), 0),), (body,))
    program = Program((("x", (4, 5)),), (loop,), 1)
    assert peak_bytes(program, 8, lambda program, at: Beside()) == 8 * 4
    assert peak_bytes(program, 8, lambda program, at: Beside(60, 40)) == 8 * 4 + 100


def test_lags_hold_the_pairs_of_one_half() -> None:
    """Of 9 pairs of kernel positions 6 are made; the others are their transposes."""
    network = networks.kfac_input_factor((2, 96, 40), 3)
    planned = expression(network, forms=["lag"]).planned
    assert any(isinstance(step, Stack) for step in planned.program.steps)
    result = 4 * (3 * 96) ** 2
    assert held(planned) // 2 <= 0.8 * result


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
    """Blocks that are not sampled for their bound are none that would win by much: the
    bound is an estimate where a native call's price falls faster than its map."""
    machine = nearest(name, cpu(2))
    planned = unlimited(network, machine, 4, current())
    charge, checked = charged(planned, machine, 4, 1.0), 0
    whole = blocks._Whole.of(planned, charge, charge.held(planned.program))
    for label in cut_labels(planned.plan.network):
        for cut in whole.cuts(label)[:3]:
            found = blocks.blocked(planned, whole.route, cut, charge)
            if found is not None:
                price = charge.price(found.seconds, charge.held(found.program))
                least = whole.parts.least(cut, float("inf"))
                assert 0.8 * least <= price, cut
                checked += 1
    assert checked > 3
