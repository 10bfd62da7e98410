"""The index pattern and the padding maps against their definitions, written out."""

from collections.abc import Callable
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

from tnconv.errors import ArgumentError, NetworkError
from tnconv.pattern import IndexPattern
from tnconv.reindex import IndexMap, Piece

RECORDS = [
    IndexPattern(i, o, k, s, d, p)
    for i, o, k, s, d, p in product(
        (0, 1, 4, 6), (1, 3), (1, 2, 3), (1, 2, 3), (1, 2), (-2, 0, 1, 3)
    )
]


def dense(p: IndexPattern) -> Any:
    """P[i, o, k] by the definition."""
    i, o, k = np.ogrid[: p.input, : p.output, : p.kernel]
    return i == p.stride * o + p.dilation * k - p.padding


def test_entries_are_the_definition() -> None:
    for p in RECORDS:
        found = np.zeros((p.input, p.output, p.kernel), dtype=bool)
        for entry in p.entries():
            found[entry] = True
        assert np.array_equal(found, dense(p)), p


def test_ranges_hold_exactly_what_reads_inside() -> None:
    for p in RECORDS:
        full = dense(p)
        for k in range(p.kernel):
            assert list(p.output_range(k)) == list(np.flatnonzero(full[:, :, k].any(0)))
        for o in range(p.output):
            assert list(p.kernel_range(o)) == list(np.flatnonzero(full[:, o].any(0)))


def hull(mask: Any) -> range:
    at = np.flatnonzero(mask)
    return range(at[0], at[-1] + 1) if len(at) else range(0)


def test_touched_ranges_are_hulls() -> None:
    for p in RECORDS:
        full = dense(p)
        assert p.touched_input() == hull(full.any((1, 2))), p
        assert p.touched_output() == hull(full.any((0, 2))), p
        assert p.touched_kernel() == hull(full.any((0, 1))), p
        assert p.is_empty() == (not full.any()), p


def test_predicates() -> None:
    for p in RECORDS:
        full = dense(p)
        assert p.covers_input_range() == bool(full.any(0).all()), p
        wide = p.pad_input(30, 30)  # no padding left: every (o, k) has its position
        shares = dense(wide).sum((1, 2)).max() > 1
        if p.is_injective():
            assert not shares, p
        same = p.kernel == 1 and full.shape[0] == full.shape[1]
        assert p.is_identity() == (
            same and np.array_equal(full[..., 0], np.eye(len(full)))
        ), p
        reach = max(p.position(p.output - 1, p.kernel - 1) + 1, 0) - p.input
        assert max(p.high_padding, 0) == max(reach, 0), p


def test_disjoint_windows_and_taps() -> None:
    for p in RECORDS:
        o, k = np.mgrid[: p.output, : p.kernel]
        at = p.stride * o + p.dilation * k
        windows = [(row.min(), row.max()) for row in at]
        apart = all(a[1] < b[0] for a, b in pairwise(windows))
        assert p.windows_disjoint() == apart, p
        taps = [(column.min(), column.max()) for column in at.T]
        apart = all(a[1] < b[0] for a, b in pairwise(taps))
        assert p.taps_disjoint() == apart, p


def test_moves_are_the_moves_of_the_tensor() -> None:
    for p in RECORDS:
        full = dense(p)
        for a in range(p.input + 1):
            narrow = p.narrow_input(a, p.input - a)
            assert np.array_equal(dense(narrow), full[a:]), p
        assert np.array_equal(dense(p.narrow_output(1, p.output - 1)), full[:, 1:])
        kernel = p.narrow_kernel(p.kernel - 1, 1)
        assert np.array_equal(dense(kernel), full[..., -1:])
        assert np.array_equal(dense(p.every_output(2)), full[:, ::2])
        assert np.array_equal(dense(p.every_kernel(2)), full[..., ::2])
        assert np.array_equal(dense(p.swap()), full.transpose(0, 2, 1))
        assert np.array_equal(dense(p.flip()), full[::-1, ::-1, ::-1])
        inside = dense(p.pad_input(2, 1))[2 : 2 + p.input]
        assert np.array_equal(inside, full)
        step = p.common_step
        start, reduced = p.residue(step)
        assert np.array_equal(dense(reduced), full[start::step]), p
        others = np.delete(full, np.s_[start::step], axis=0)
        assert not others.any(), p


def test_transpose_exchanges_input_and_output() -> None:
    for p in RECORDS:
        if p.stride == 1:
            swapped = dense(p).transpose(1, 0, 2)[..., ::-1]
            assert np.array_equal(dense(p.transpose()), swapped), p
        else:
            with pytest.raises(NetworkError, match="stride"):
                p.transpose()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: IndexPattern(-1, 1, 1),
        lambda: IndexPattern(1, 1, 1, stride=0),
        lambda: IndexPattern(4, 2, 2).narrow_input(3, 2),
        lambda: IndexPattern(4, 2, 2).narrow_output(-1, 1),
        lambda: IndexPattern(4, 2, 2).every_output(0),
        lambda: IndexPattern(4, 2, 2, 2, 3).residue(2),
        lambda: IndexPattern(4, 2, 2).pad_input(-3, -2),
    ],
)
def test_impossible_moves_are_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(NetworkError, match="index pattern"):
        wrong()


@pytest.mark.parametrize(
    ("mode", "numpy_mode"),
    [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")],
)
def test_padding_modes_are_numpy_pad(mode: str, numpy_mode: Any) -> None:
    for size, low, high in product((2, 3, 5), (0, 1), (0, 1, 2)):
        if mode == "reflect" and high >= size:
            continue
        padded = np.pad(np.arange(size), (low, high), mode=numpy_mode)
        found = IndexMap.padding(mode, size, low, high)
        assert found.positions() == padded.tolist()
        assert found.output == len(padded)
        assert found.is_identity() == (low == high == 0)
        part = found.narrow(1, found.output - 1)
        assert part.positions() == padded[1:].tolist()
    cropped = IndexMap.padding(mode, 5, -1, -2)
    assert cropped.positions() == [1, 2]


def test_padding_widths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ArgumentError, match="at most 2"):
        IndexMap.padding("reflect", 3, 3, 0)
    with pytest.raises(ArgumentError, match="at most 3"):
        IndexMap.padding("circular", 3, 0, 4)
    with pytest.raises(ArgumentError, match="size 0"):
        IndexMap.padding("replicate", 0, 1, 0)
    with pytest.raises(ArgumentError, match="mirror"):
        IndexMap.padding("mirror", 3, 1, 0)
    with pytest.raises(NetworkError, match="leaves"):
        IndexMap(3, (Piece(2, 1, 2),))
    with pytest.raises(NetworkError, match="slice"):
        IndexMap.padding("circular", 3, 1, 1).narrow(3, 3)
