"""The search, its forms, blocks, twins and caches; values against the definition."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tnconv
from tnconv import networks
from tnconv.axis import Axis
from tnconv.edits import pair, rename_inputs, without_conjugates
from tnconv.edits import replace as put
from tnconv.execution.backend import Place
from tnconv.execution.program import Matmul, Native, View
from tnconv.execution.registry import backend
from tnconv.network import Network
from tnconv.options import changed, current
from tnconv.planning.constants import nearest
from tnconv.planning.device import cpu
from tnconv.planning.machine import Machine
from tnconv.planning.planner import Planned, form_table, plan_network
from tnconv.testing import evaluate
from tnconv.testing import networks as drawn_networks

CASES = {
    "forward": networks.conv((2, 4, 7, 6), (6, 2, 3, 2), padding=1, groups=2),
    "strided": networks.conv((2, 3, 9), (4, 3, 3), stride=2, padding=(1,), dilation=2),
    "asymmetric": networks.conv((2, 2, 6), (3, 2, 4), padding=((3, -1),), stride=3),
    "reflect": networks.conv((2, 2, 6), (3, 2, 3), padding=2, padding_mode="reflect"),
    "input": networks.conv_input_vjp((4, 2, 3, 3), (2, 4, 3, 4), (6, 8), stride=2,
                                     padding=1),
    "weight": networks.conv_weight_vjp((2, 4, 6, 5), (2, 4, 6, 5), (3, 3), padding=1,
                                       groups=4),
    "per example": networks.conv_weight_vjp((3, 2, 8), (3, 4, 4), (3,), stride=2,
                                            padding=1, per_example=True),
    "circular": networks.conv_input_vjp((4, 2, 3), (2, 4, 5), (5,), padding=1,
                                        padding_mode="circular"),
    "transposed": networks.conv_transpose((2, 4, 5), (4, 3, 3), stride=2, padding=1,
                                          output_padding=1),
    "factor": without_conjugates(networks.kfac_input_factor(
        (2, 4, 7), (3,), padding=1, groups=2, normalization="none")),
    "unfold": networks.unfold((2, 3, 5, 4), (2, 3), padding=1),
    "fold": networks.fold((2, 12, 9), (5, 4), (2, 2), stride=2, padding=1),
    "window sums": tnconv.parse("x: n c i, i ~ 2 o + 3 k - 1 -> n c o",
                                shapes={"x": (2, 3, 300)}, sizes={"k": 40, "o": 90}),
}  # fmt: skip


def arrays_for(network: Network, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = network.arguments.items()
    return {n: np.asarray(rng.integers(-3, 4, s) * 1.0) for n, s in shapes}


def scrambled(machine: Machine, random: Random) -> Machine:
    """Prices drawn over six decades, so that odd plans are chosen."""

    def odd(value: float) -> float:
        return float(value * 10 ** random.uniform(-3, 3))

    names = ("call", "gemm", "multiply", "copy", "gaps", "strided_sum", "add", "mirror",
             "fft", "cumulative")  # fmt: skip
    native = {
        key: replace(rate, rate=odd(rate.rate)) for key, rate in machine.native.items()
    }
    changes: dict[str, Any] = {name: odd(getattr(machine, name)) for name in names}
    return replace(machine, native=native, **changes)


def run_planned(
    name: str, planned: Planned, arrays: dict[str, np.ndarray]
) -> np.ndarray:
    if name == "torch":
        torch = pytest.importorskip("torch")
        given = [torch.from_numpy(arrays[n]) for n in planned.network.arguments]
        place = backend("torch").place(given[0])
    else:
        given = [arrays[n] for n in planned.network.arguments]
        place = backend(name).place(given[0])
    return np.asarray(backend(name).compile(planned.program, place)(given))


@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_every_form_is_right_whatever_it_costs(name: str) -> None:
    random, seen, machine = Random(1), set(), nearest(name, cpu(2))
    if name == "torch":
        pytest.importorskip("torch")
    for turn in range(40):
        for network in CASES.values():
            forms = list(form_table())
            some = tuple(random.sample(forms, random.randint(1, len(forms))))
            opts = changed(current(), {"forms": some if turn % 2 else None})
            planned = plan_network(network, scrambled(machine, random), 8, opts)
            arrays = arrays_for(network, turn)
            found = run_planned(name, planned, arrays)
            used = {step.form for step in planned.plan.steps}
            wrong = np.abs(found - evaluate(network, arrays))
            rounds = 1e-10 if "fourier" in used else 0.0
            assert np.max(wrong, initial=0.0) <= rounds, planned.lines
            seen |= used
    expected = set(form_table()) - (set() if name == "torch" else {"native"})
    assert seen == expected


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("gone", sorted(form_table()))
def test_removing_a_form_only_changes_times(case: str, gone: str) -> None:
    network = CASES[case]
    left = tuple(name for name in form_table() if name != gone)
    arrays = arrays_for(network)
    found = tnconv.expression(network, dtype="float64", forms=left)(**arrays)
    assert np.array_equal(found, evaluate(network, arrays))


def test_torch_chooses_its_native_convolution_for_a_dense_layer() -> None:
    pytest.importorskip("torch")
    network = networks.conv((8, 64, 56, 56), (64, 64, 3, 3), padding=1)
    program = tnconv.expression(network, backend="torch").planned.program
    assert [type(step) for step in program.steps] == [Native]


def test_pointwise_convolution_is_one_matrix_product() -> None:
    network = networks.conv((8, 64, 56, 56), (32, 64, 1, 1))
    program = tnconv.expression(network).planned.program
    kinds = [type(step) for step in program.steps if not isinstance(step, View)]
    assert kinds == [Matmul]


def gram(size: int) -> Network:
    """Windows times windows: the matrix of all pairs of kernel positions."""
    unfolded = tnconv.parse(
        "x: n c i, i ~ o + k -> n c k o", shapes={"x": (2, 3, size)}, sizes={"k": 3}
    )
    return pair(unfolded, shared=("n", "o"), output=("c", "k", "c'", "k'"))


def test_twins_are_contracted_once() -> None:
    network = gram(200)
    expression = tnconv.expression(network, dtype="float64", forms=["window", "gemm"])
    steps = expression.planned.program.steps
    copied = [step for step in steps if isinstance(step, View) and step.copy]
    assert len(copied) == 1  # one window matrix serves both sides
    arrays = arrays_for(network)
    assert np.array_equal(expression(**arrays), evaluate(network, arrays))


def layers(count: int, size: int = 10) -> Network:
    """Layers in a row, as one network."""
    network: Network | None = None
    shape: tuple[int, ...] = (2, 3, size)
    for layer in range(count):
        weight = (4, shape[1], 3)
        step = networks.conv(shape, weight, padding=1, stride=1 + layer % 2)
        step = rename_inputs(step, {"weight": f"w{layer}"})
        shape = step.shape
        network = step if network is None else put(step, "x", network)
    assert network is not None
    return network


def test_a_padding_mode_and_its_pattern_are_no_two_marginals() -> None:
    hyper: dict[str, Any] = {"padding": ((3, -2),), "padding_mode": "replicate"}
    shapes = (3, 2, 14), (6, 1, 5)
    network = networks.conv(*shapes, stride=3, dilation=3, groups=2, **hyper)
    arrays = arrays_for(network)
    found = tnconv.expression(network, dtype="float64")(**arrays)
    assert np.allclose(found, evaluate(network, arrays))


@pytest.mark.parametrize("planner", ["exact", "cotengra", "opt_einsum"])
@pytest.mark.parametrize("count", [2, 3])
def test_layers_in_a_row(planner: str, count: int) -> None:
    network = layers(count)
    arrays = arrays_for(network)
    expression = tnconv.expression(network, dtype="float64", planner=planner)
    value = arrays["x"]
    for layer in range(count):
        weight = arrays[f"w{layer}"]
        value = evaluate(
            networks.conv(value.shape, weight.shape, padding=1, stride=1 + layer % 2),
            {"x": value, "weight": weight},
        )
    assert np.array_equal(expression(**arrays), value)


@pytest.mark.parametrize("limit", [8_000_000, 3_000_000, 1_500_000])
def test_memory_limit_is_kept_by_blocks(limit: int) -> None:
    network = networks.conv((16, 6, 50, 50), (8, 6, 3, 3), padding=1)
    arrays = arrays_for(network)
    expression = tnconv.expression(network, dtype="float64", memory_limit=limit)
    assert expression.plan.blocks is not None
    assert expression.peak_bytes <= limit
    expected = tnconv.expression(network, dtype="float64")(**arrays)
    assert np.array_equal(expression(**arrays), expected)
    tracemalloc.start()
    result = expression(**arrays)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - result.nbytes <= limit + 200_000  # buffers inside NumPy's einsum


def test_a_limit_nothing_can_keep_is_an_error() -> None:
    network = networks.conv((8, 3, 20, 20), (4, 3, 3, 3), padding=1)
    with pytest.raises(tnconv.MemoryLimitError, match="memory_limit=100 bytes"):
        tnconv.expression(network, memory_limit=100)


def test_predicted_peak_matches_what_numpy_allocates() -> None:
    for network in CASES.values():
        arrays = arrays_for(network)
        expression = tnconv.expression(network, dtype="float64")
        expression(**arrays)
        tracemalloc.start()
        result = expression(**arrays)
        peak = tracemalloc.get_traced_memory()[1] - result.nbytes
        tracemalloc.stop()
        assert peak <= 1.1 * expression.peak_bytes + 20_000


def test_plans_are_shared_between_threads() -> None:
    network = networks.conv((2, 3, 9, 9), (4, 3, 3, 3))
    arrays, found = arrays_for(network), []

    def work() -> None:
        found.append(tnconv.conv(arrays["x"], arrays["weight"]))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(np.array_equal(each, found[0]) for each in found)


def test_options_hold_in_their_block_and_thread_only() -> None:
    seen = []
    with tnconv.options(memory_limit=5):
        thread = threading.Thread(target=lambda: seen.append(current().memory_limit))
        thread.start()
        thread.join()
        assert current().memory_limit == 5
    assert seen == [None]
    assert current().memory_limit is None


@pytest.mark.parametrize(
    "bad",
    [
        {"planner": "magic"},
        {"memory_limit": "1G"},
        {"memory_limit": True},
        {"memory_share": "half"},
        {"memory_share": -0.5},
        {"memory_share": True},
        {"memory_share": float("nan")},
        {"memory_target": "half"},
        {"memory_target": True},
        {"memory_target": float("nan")},
        {"forms": ["no"]},
        {"forms": "native"},
        {"forms": 5},
        {"alternatives": "no"},
        {"x": 1},
    ],
)
def test_bad_options_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(tnconv.ArgumentError, match="options:"), tnconv.options(**bad):
        pass


def test_a_printed_expression_says_what_runs() -> None:
    network = networks.conv((2, 3, 8, 8), (4, 3, 2, 2), stride=2)
    text = str(tnconv.expression(network, dtype="float64"))
    for word in ("network", "rules", "dense", "path", "flops", "peak", "plan"):
        assert word in text


def test_a_number_and_a_broadcast() -> None:
    network = tnconv.parse("x: i -> ", shapes={"x": (5,)})
    assert tnconv.contract(network, np.arange(5.0)) == 10.0
    axes = (Axis(3, (("a", 1),)), Axis(5, (("i", 1),)))
    wide = Network.build(network.operands, axes, {"a": 3, "i": 5})
    assert np.array_equal(
        tnconv.contract(wide, np.arange(5.0)), np.tile(np.arange(5.0), (3, 1))
    )


def test_sizes_of_labels_that_do_not_occur_are_refused() -> None:
    with pytest.raises(tnconv.ArgumentError, match="no such label"):
        tnconv.contract("n i -> n", np.ones((2, 3)), sizes={"q": 4})


def test_place_is_part_of_the_key() -> None:
    x, w = np.ones((1, 2, 5)), np.ones((1, 2, 3))
    assert tnconv.conv(x, w).dtype == np.float64
    assert tnconv.conv(x.astype("f4"), w.astype("f4")).dtype == np.float32
    assert isinstance(backend("numpy").place(x), Place)


def test_padding_that_leaves_nothing_to_read_gives_zeros() -> None:
    x, weight = np.ones((3, 1, 1, 3)), np.ones((3, 1, 1, 1))
    found = tnconv.conv(x, weight, stride=(4, 3), padding=((2, 3), (2, -3)))
    assert found.shape == (3, 3, 2, 1)
    assert not found.any()


def test_output_padding_beyond_the_stride_on_native_convolutions() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, weight = (
        rng.integers(-3, 4, (2, 3, 4)) * 1.0,
        rng.integers(-3, 4, (3, 2, 3)) * 1.0,
    )
    how = {"stride": 2, "dilation": 3, "output_padding": 2}
    found = tnconv.conv_transpose(torch.from_numpy(x), torch.from_numpy(weight), **how)
    assert np.array_equal(found.numpy(), tnconv.conv_transpose(x, weight, **how))


@pytest.mark.parametrize("planner", ["auto", "cotengra", "opt_einsum"])
@pytest.mark.parametrize("forms", [["window", "gemm"], ["native"], ["fold"], None])
def test_any_forms_under_any_planner(planner: str, forms: list[str] | None) -> None:
    for network in (layers(2), CASES["reflect"], CASES["forward"], CASES["circular"]):
        arrays = arrays_for(network)
        expression = tnconv.expression(
            network, dtype="float64", planner=planner, forms=forms
        )
        assert np.array_equal(expression(**arrays), evaluate(network, arrays))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(network=drawn_networks(), planner=st.sampled_from(["cotengra", "opt_einsum"]))
def test_drawn_networks_along_trees(network: Network, planner: str) -> None:
    arrays = arrays_for(network)
    expression = tnconv.expression(network, dtype="float64", planner=planner)
    assert np.array_equal(expression(**arrays), evaluate(network, arrays))


@pytest.mark.parametrize(
    "call",
    [
        lambda: tnconv.contract(5, np.ones(2)),  # type: ignore[arg-type]
        lambda: tnconv.expression("a -> a"),  # type: ignore[arg-type]
        lambda: tnconv.simplify("a -> a"),  # type: ignore[arg-type]
        lambda: tnconv.contract("a -> a b", np.ones(2), sizes={"b": "3"}),  # type: ignore[dict-item]
        lambda: tnconv.contract("a -> a b", np.ones(2), sizes={"b": -3}),
        lambda: tnconv.contract("a -> a", np.ones(2), sizes=[3]),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_network_or_size_is_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(tnconv.ArgumentError, match=r"(contract|expression|simplify): "):
        call()


def test_cleared_caches_plan_again() -> None:
    x = np.ones((1, 1, 9))
    before = tnconv.conv(x, x[..., :3])
    tnconv.clear_caches()
    assert np.array_equal(tnconv.conv(x, x[..., :3]), before)
