"""Bodies of loops that put their result where the loop has it."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.libraries import NUMPY, TORCH, Library

from tnconv import networks
from tnconv.execution.backend import Spreading
from tnconv.execution.crew import Crew
from tnconv.execution.expression import searched
from tnconv.execution.landing import begun, in_one_piece, keeps_order, maker, needs
from tnconv.execution.program import (
    AxisMap,
    Block,
    Gram,
    Loop,
    Program,
    Scale,
    Stack,
    View,
)
from tnconv.execution.registry import backend
from tnconv.network import Network
from tnconv.options import changed, current
from tnconv.planning.blocks import Cut
from tnconv.planning.charge import Charge
from tnconv.planning.constants import nearest
from tnconv.planning.device import cpu
from tnconv.planning.looped import blocked
from tnconv.planning.rivals import Planned, form_table, unlimited
from tnconv.planning.route import Route
from tnconv.planning.turns import handed_bytes

X = (4, 6, 14, 14)
FORMS = {
    "stack": ("window", "lag"),
    "gram": ("window", "half"),
    "product": ("window", "constant", "gemm"),
}


def in_blocks(network: Network, library: str, forms: Any, cut: Cut) -> Planned:
    """A plan of some forms that is cut as told."""
    machine, network = nearest(library, cpu(2)), searched(network, "float64")
    whole = unlimited(network, machine, 8, changed(current(), {"forms": forms}))
    charge = Charge.of(whole.network, machine, 8, 1.0)
    found = blocked(whole, Route.of(whole.plan, form_table()), cut, charge)
    assert found is not None
    return found


def landed(planned: Planned, library: str) -> bool:
    """Whether the first body of its loop puts its result in its place."""
    (loop,) = planned.program.steps
    assert isinstance(loop, Loop)
    charge = Charge.of(planned.network, nearest(library, cpu(2)), 8, 1.0)
    return not handed_bytes(loop.bodies[0], loop.shape, charge)


def check(planned: Planned, library: Library, whole: np.ndarray[Any, Any]) -> None:
    """The same as in one piece, and the bits of blocks that were handed over."""
    x = np.random.default_rng(3).standard_normal(X)
    arrays = [library.array(x, "float64")]
    found = backend(library.name)
    assert isinstance(found, Spreading)
    place = found.place(arrays[0])
    mine = library.values(found.compile(planned.program, place)(arrays))
    with ThreadPoolExecutor(1) as threads:
        run = found.compile(planned.program, place, Crew(library.name, threads))
        handed = library.values(run(arrays))
    np.testing.assert_array_equal(mine, handed)
    scale = np.max(np.abs(whole))
    np.testing.assert_allclose(mine, whole, rtol=0, atol=1e-12 * scale)


def unfolded_squared(groups: int, reduce: bool) -> np.ndarray[Any, Any]:
    """The factor by its definition: windows, and a product of each group's."""
    x = np.random.default_rng(3).standard_normal(X)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    view = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    n, c, h, w = view.shape[:4]
    rows = view.reshape(n, groups, c // groups, h * w, 9).transpose(1, 0, 3, 2, 4)
    rows = rows.reshape(groups, n, h * w, -1)
    rows = rows.mean(axis=2, keepdims=True) if reduce else rows
    flat = rows.reshape(groups, -1, rows.shape[-1])
    found: np.ndarray[Any, Any] = flat.swapaxes(1, 2) @ flat
    found /= n if reduce else n * h * w
    return found


@pytest.mark.parametrize("library", (NUMPY, TORCH), ids=lambda lib: lib.name)
@pytest.mark.parametrize(
    ("made", "label", "groups", "lands"),
    [
        ("stack", "n", 1, ("numpy", "torch")),  # added
        ("stack", "g", 2, ("numpy", "torch")),  # written
        ("gram", "n", 1, ("torch",)),
        ("gram", "g", 2, ("numpy", "torch")),
        ("product", "g", 2, ("numpy", "torch")),
        ("product", "n", 1, ()),
    ],
)
def test_results_are_put_in_their_place(
    made: str, label: str, groups: int, lands: tuple[str, ...], library: Library
) -> None:
    reduce = made == "product"
    how: Any = {"approximation": "reduce" if reduce else "expand"}
    network = networks.kfac_input_factor(X, 3, padding=1, groups=groups, **how)
    planned = in_blocks(network, library.name, FORMS[made], Cut(label, 1))
    assert landed(planned, library.name) == (library.name in lands)
    check(planned, library, unfolded_squared(groups, reduce))


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_blocks_land_right(data: Any) -> None:
    groups = data.draw(st.sampled_from((1, 2, 6)))
    library = data.draw(st.sampled_from((NUMPY, TORCH)))
    label = data.draw(st.sampled_from("ngc"))
    network = networks.kfac_input_factor(X, 3, padding=1, groups=groups)
    size = network.without().sizes.get(label, 0)
    if size < 2:
        return
    cut = Cut(label, data.draw(st.integers(1, size - 1)))
    forms = FORMS[data.draw(st.sampled_from(("stack", "gram")))]
    planned = in_blocks(network, library.name, forms, cut)
    check(planned, library, unfolded_squared(groups, False))


@pytest.mark.parametrize("made", ["stack", "gram"])
def test_what_blocks_hold_is_what_is_predicted(made: str) -> None:
    """As NumPy's allocator is asked for it."""
    network = networks.kfac_input_factor((4, 96, 16, 16), 3, padding=1)
    planned = in_blocks(network, "numpy", FORMS[made], Cut("n", 1))
    x = np.random.default_rng(0).standard_normal((4, 96, 16, 16))
    run = backend("numpy").compile(planned.program, backend("numpy").place(x))
    result = run([x])
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = run([x])
        held = tracemalloc.get_traced_memory()[1] - before - result.nbytes
    finally:
        tracemalloc.stop()
    assert 0.8 * planned.peak <= held <= 1.1 * planned.peak + (64 << 10)


def test_what_makes_a_result_is_seen_through_views_in_order() -> None:
    gram, plain = Gram((0,), (6, 6)), (AxisMap(0, (1, 0)), AxisMap(0, (0, 1)))
    same = View((1,), (6, 6), plain, (1, 36), False)
    turned = View((1,), (6, 6), plain[::-1], (6, 6), False)
    inputs = (("x", (6, 5)),)
    assert maker(Program(inputs, (gram, same), 2)) == 0
    assert maker(Program(inputs, (gram, turned), 2)) is None
    assert maker(Program(inputs, (gram, Scale((1,), (6, 6), 1, 2)), 2)) == 1
    assert maker(Program(inputs, (), 0)) is None
    assert keeps_order(same, (6, 6)) and not keeps_order(turned, (6, 6))


def test_parts_in_one_piece_are_written_first_and_added_then() -> None:
    body = Program((("x", (4,)),), (Stack((0,), (1, 4), (1, 4), 1, (0, 1)),), 1)
    read = ((0, 4),)

    def loop(shape: tuple[int, ...], *writes: Any) -> Loop:
        blocks = tuple(Block((read,), write, 0) for write in writes)
        return Loop((0,), shape, blocks, (body,))

    rows = ((0, 1), (0, 4)), ((1, 2), (0, 4))
    assert begun(loop((2, 4), *rows)) == [False, False]
    assert needs(loop((2, 4), *rows), 0) == {False}
    assert needs(loop((2, 4), *rows, *rows), 0) == {False, True}
    assert begun(loop((2, 4), rows[0], ((0, 1), (1, 4)))) == [True, True]
    halves = ((0, 2), (0, 2)), ((0, 2), (2, 4))
    assert needs(loop((2, 4), *halves), 0) is None
    assert in_one_piece(((0, 1), (1, 3)), (2, 4))
