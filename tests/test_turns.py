"""What a loop takes beside its bodies, and what the allocator is shown for it."""

import math

from tnconv import networks
from tnconv.execution.program import (
    AxisMap,
    Block,
    Convolution,
    Loop,
    Matmul,
    Native,
    Program,
    Scale,
    View,
)
from tnconv.planning.charge import Charge
from tnconv.planning.constants import nearest
from tnconv.planning.device import cpu
from tnconv.planning.turns import turn_seconds, whole_seconds
from tnconv_backends.allocator import LEARNED, nothing, shown_bytes

MACHINE = nearest("torch", cpu(2))
CHARGE = Charge.of(networks.conv((2, 3, 9), (4, 3, 3)), MACHINE, 4, math.inf)


def native(batch: int, channels: int) -> Program:
    """A native call on an array of its own."""
    shape, kernel = (batch, channels, 100), (8, channels, 3)
    how = Convolution("forward", (1,), (0,), (1,), 1, (0,), (3,))
    step = Native((0, 1), (batch, 8, 98), how)
    return Program((("x", shape), ("w", kernel)), (step,), 2)


def test_slices_in_pieces_are_copied_where_a_step_wants_one_piece() -> None:
    arrays = {"x": (8, 64, 100), "w": (8, 32, 3)}
    rows = turn_seconds(native(4, 64), arrays | {"w": (8, 64, 3)}, (8, 8, 98), CHARGE)
    assert rows < 2 * MACHINE.call + 4 * 8 * 98 * 4 / MACHINE.add + 1e-7
    columns = turn_seconds(native(8, 32), arrays, (8, 8, 98), CHARGE)
    copied = 8 * 32 * 100 * 4 / MACHINE.copy + 8 * MACHINE.run
    added = 2 * MACHINE.call + 8 * 8 * 98 * 4 / MACHINE.add + MACHINE.run
    assert math.isclose(columns, copied + added, rel_tol=1e-6)


def test_a_product_reads_a_slice_as_it_lies_unless_its_view_fuses() -> None:
    product = Matmul((0, 0), (4, 5, 5))
    plain = Program((("x", (4, 5, 5)),), (product,), 1)
    maps = AxisMap(0, (1, 0, 0)), AxisMap(0, (0, 1, 0)), AxisMap(0, (0, 0, 1))
    fused = View((0,), (4, 25), maps, (4, 5, 5), False)
    turned = Program((("x", (4, 5, 5)),), (fused, Scale((1,), (4, 25), 3, 2)), 2)
    arrays = {"x": (4, 50, 5)}
    beside = [turn_seconds(p, arrays, p.shape, CHARGE) for p in (plain, turned)]
    # the parts written are equally long, and each lies in one piece
    assert beside[1] > beside[0]


def test_the_result_of_a_loop_faults_its_pages_in() -> None:
    large = int(MACHINE.fresh_from) // 4 + 1
    assert math.isclose(whole_seconds((large,), CHARGE), 4 * large / MACHINE.fresh)
    assert whole_seconds((1000,), CHARGE) == 0.0


def test_the_allocator_is_shown_blocks_and_results_but_no_more_than_it_learns() -> None:
    body = Program((("x", (10,)),), (Scale((0,), (10,), 3, 2),), 1)
    blocks = tuple(Block((((a, a + 10),),), ((a, a + 10),), 0) for a in (0, 10))
    loop = Program((("x", (20,)),), (Loop((0,), (20,), blocks, (body,)),), 1)
    assert shown_bytes(loop, 4, nothing) == 4 * (20 + 10 + 10)
    assert shown_bytes(native(1 << 20, 1), 4, nothing) == LEARNED
