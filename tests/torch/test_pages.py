"""Large results in memory of our own: the same numbers, whatever the inputs are."""

import array_api_compat.torch as compat_torch
import numpy as np
import pytest
import torch

from tnconv.execution.program import AddInto, AxisMap, Block, Loop, Program, Scale
from tnconv_backends.numpy import NumPyKernels
from tnconv_backends.torch.kernels import TorchKernels
from tnconv_backends.torch.pages import LARGE, advised, duplicate, fresh, into_fresh

KERNELS = TorchKernels(compat_torch, torch.float64, torch.device("cpu"))


@pytest.mark.parametrize("name", ["float16", "float32", "complex64", "int64"])
def test_large_copies_and_products(name: str) -> None:
    dtype = getattr(torch, name)
    side = 2 * int((LARGE / dtype.itemsize) ** 0.5)
    x = (torch.arange(3 * side) % 7).reshape(side, 3).to(dtype)
    wide = x.mT.expand(side, 3, side)[: side // 3]
    assert torch.equal(duplicate(wide), wide.contiguous())
    assert duplicate(wide).is_contiguous()
    product = into_fresh(torch.mm, (side, side), dtype.itemsize)
    if name != "float16":
        left, right = x.numpy(), x.mT.conj().resolve_conj().numpy()
        np.testing.assert_allclose(product(x, x.mT.conj()).numpy(), left @ right)


def test_only_what_is_large_is_written_to_memory_of_ours() -> None:
    assert into_fresh(torch.mm, (3, 3), 4) is torch.mm
    assert into_fresh(torch.mm, (LARGE, 1), 4) is not torch.mm


def test_any_tensor_may_be_advised() -> None:
    with torch.device("meta"):
        assert advised(torch.empty(LARGE)).is_meta
    parameter = torch.nn.Parameter(torch.empty(LARGE))
    assert fresh(parameter, (2, LARGE)).shape == (2, LARGE)
    part = torch.empty(3 * LARGE, dtype=torch.uint8)[1 : 2 * LARGE]  # not on a page
    part.fill_(7)
    assert torch.equal(advised(part), torch.full_like(part, 7))


@pytest.mark.parametrize("rows", [[(0, 2), (2, 5)], [(1, 3), (3, 4)], [(0, 2), (3, 5)]])
@pytest.mark.parametrize("columns", [(0, 3), (1, 2)])
def test_loops_write_all_that_they_do_not_fill(
    rows: list[tuple[int, int]], columns: tuple[int, int]
) -> None:
    blocks, bodies = [], []
    for at, span in enumerate(rows):
        shape = (span[1] - span[0], columns[1] - columns[0])
        bodies.append(Program((("x", shape),), (Scale((0,), shape, 2, 1),), 1))
        blocks.append(Block(((span, columns),), (span, columns), at))
    step = Loop((0,), (5, 3), tuple(blocks), tuple(bodies))
    x = torch.arange(15.0, dtype=torch.float64).reshape(5, 3) + 1
    expected = torch.zeros(5, 3, dtype=torch.float64)
    for start, stop in rows:
        expected[start:stop, slice(*columns)] = 2 * x[start:stop, slice(*columns)]
    for _ in range(2):
        assert torch.equal(KERNELS.loop(step, (x.shape,), False)(x), expected)


@pytest.mark.parametrize(
    "maps",
    [
        (AxisMap(0, (1, 0)), AxisMap(0, (0, 1))),  # a corner
        (AxisMap(4, (-1, 0)), AxisMap(2, (0, 1))),  # reversed, inside
        (AxisMap(0, (2, 0)), AxisMap(1, (0, 1))),  # with gaps
        (AxisMap(0, (3, 1)), AxisMap(3, (0, 0))),  # two dimensions in one axis
    ],
)
def test_scatters_zero_all_that_they_do_not_write(maps: tuple[AxisMap, ...]) -> None:
    step = AddInto((0,), (12, 6), maps, True)
    x = np.arange(12.0).reshape(4, 3) + 1
    expected = NumPyKernels(np, x.dtype, "cpu").add_into(step, (x.shape,), False)(x)
    run = KERNELS.add_into(step, (x.shape,), False)
    for _ in range(2):
        np.testing.assert_array_equal(run(torch.from_numpy(x)).numpy(), expected)
