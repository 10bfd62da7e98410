"""EVBMF against its definition, its invariances, and kernels of trained networks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.factor.evbmf_oracle import component, free_energy

from tnconv.errors import ArgumentError
from tnconv.factor.evbmf import Estimate, evbmf, threshold

Matrix = NDArray[Any]
SPECTRA = Path(__file__).resolve().parents[1] / "data" / "spectra.json"


def of(matrix: Matrix, **given: float) -> Estimate:
    rows, columns = matrix.shape
    values = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)
    return evbmf(values, (rows, columns), **given)


def random(seed: int, *shape: int) -> Matrix:
    return np.random.default_rng(seed).standard_normal(shape)


def decaying(seed: int, rows: int, columns: int) -> Matrix:
    """A matrix as trained kernels are: no gap anywhere in its spectrum."""
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(rng.standard_normal((rows, rows)))[0]
    right = np.linalg.qr(rng.standard_normal((columns, rows)))[0]
    power = rng.uniform(0.5, 1.5)
    values = (1 + np.arange(rows)) ** -power + rng.uniform(0.01, 0.1)
    return np.asarray((left * values) @ right.T)


def edge(ratio: float) -> float:
    tau = threshold(ratio)
    return (1 + tau) * (1 + ratio / tau)


@pytest.mark.parametrize(
    ("ratio", "tau", "off"),
    [(1.0, 2.51286, 0.0), (1 / 9, 0.86417, -0.031), (0.01, 0.28288, -0.11)],
)
def test_the_threshold_is_solved_for(ratio: float, tau: float, off: float) -> None:
    assert threshold(ratio) == pytest.approx(tau, rel=1e-4)
    assert 2.5129 * ratio**0.5 / threshold(ratio) - 1 == pytest.approx(off, abs=0.015)
    assert edge(ratio) > (1 + ratio**0.5) ** 2  # above what pure noise reaches


@pytest.mark.parametrize("shape", [(4, 4), (3, 20), (10, 40)])
@pytest.mark.parametrize("share", [0.8, 0.98, 1.02, 3.0])
def test_one_component_against_a_search_over_its_posterior(
    shape: tuple[int, int], share: float
) -> None:
    rows, columns = shape
    variance = 0.7
    value = float(np.sqrt(columns * variance * edge(rows / columns)) * share)
    filler = np.full(rows - 1, 1e-3 * value)
    found = evbmf([value, *filler], shape, noise_variance=variance)
    least = component(rows, columns, value, variance)
    assert found.rank == (least < -1e-9) == (share > 1)
    if found.rank:
        x = value**2 / (columns * variance)
        half = x - 1 - rows / columns
        tau = (half + np.sqrt(half**2 - 4 * rows / columns)) / 2
        psi = np.log(tau + 1) + rows / columns * np.log(tau * columns / rows + 1) - tau
        assert least == pytest.approx(columns * psi, rel=1e-4)
        assert found.singular_values[0] == pytest.approx(
            tau * columns * variance / value
        )


@pytest.mark.parametrize("seed", range(8))
def test_no_variance_has_less_free_energy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.integers(2, 40)), int(rng.integers(40, 200))
    values = np.linalg.svd(decaying(seed, rows, columns), compute_uv=False)
    found = evbmf(values, (rows, columns))
    grid = np.exp(np.linspace(-14, 3, 6000)) * (values**2).mean() / columns
    best = min(free_energy(values, columns, variance) for variance in grid)
    assert free_energy(values, columns, found.noise_variance) <= best + 1e-12


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("scale", [1e-6, 0.003, 0.02, 1e3])
def test_the_rank_has_no_unit(seed: int, scale: float) -> None:
    matrix = decaying(seed, 48, 200)
    plain, scaled = of(matrix), of(matrix * scale)
    assert plain.rank == scaled.rank
    assert scaled.noise_variance == pytest.approx(
        plain.noise_variance * scale**2, rel=1e-6
    )


def test_the_rank_has_no_orientation() -> None:
    matrix = decaying(3, 64, 576) + 0.02 * random(3, 64, 576)
    rotation = np.linalg.qr(random(4, 64, 64))[0]
    padded = np.concatenate([matrix, np.zeros((9, 576))])
    ranks = {of(m).rank for m in (matrix, matrix.T, rotation @ matrix, padded)}
    assert len(ranks) == 1
    tall = of(decaying(5, 27, 64).T)  # a first layer: more filters than weights in one
    assert 0 < tall.rank <= 27 == tall.numerical_rank


@pytest.mark.parametrize("shape", [(64, 576), (200, 200), (576, 64)])
def test_noise_has_rank_zero_and_its_variance(shape: tuple[int, int]) -> None:
    found = of(random(0, *shape))
    assert found.rank == 0
    assert found.noise_variance == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("count", [5, 10])
@pytest.mark.parametrize(("strength", "found"), [(2.0, True), (0.6, False)])
def test_planted_components(count: int, strength: float, found: bool) -> None:
    rows, columns = 64, 576
    left = np.linalg.qr(random(1, rows, count))[0]
    right = np.linalg.qr(random(2, columns, count))[0]
    size = np.sqrt(columns * strength * threshold(rows / columns))
    matrix = size * left @ right.T + random(3, rows, columns)
    assert of(matrix).rank == (count if found else 0)


def test_integers_have_one_component() -> None:
    kernel = np.random.default_rng(0).integers(0, 100, (3, 3, 32, 64)).astype(float)
    for axis in (2, 3):
        unfolded = np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1)
        found = of(unfolded)
        assert found.rank == 1
        assert found.singular_values[0] == pytest.approx(6.69e3, rel=5e-3)


def planted(seed: int) -> Matrix:
    """Rank 10 by construction, well above the noise; 64 x 576."""
    left, right = random(seed, 64, 10), random(seed + 1, 10, 576)
    return np.asarray(left @ right + 0.1 * random(seed + 2, 64, 576))


@pytest.mark.parametrize("what", ["dead", "duplicates", "nearly duplicates"])
def test_rows_that_say_nothing_new_change_nothing(what: str) -> None:
    matrix = planted(0)
    if what == "dead":
        matrix[:4] = 0
    else:
        matrix[:4] = matrix[4:8]
    if what == "nearly duplicates":
        matrix[:4] += 1e-6 * random(8, 4, 576)
    found = of(matrix)
    assert found.rank == 10
    assert found.noise_variance == pytest.approx(0.01, rel=0.1)


def test_exactly_low_rank() -> None:
    found = of(random(0, 40, 5) @ random(1, 5, 100))
    assert found.numerical_rank == 5
    assert found.rank <= 5


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (1, 1)])
def test_one_row_has_rank_zero(shape: tuple[int, int]) -> None:
    assert of(random(0, *shape)).rank == 0


def test_zero_matrix() -> None:
    assert of(np.zeros((3, 5))) == Estimate(0, 0, 0.0, ())


@pytest.mark.parametrize(
    ("values", "shape", "given", "word"),
    [
        ([1.0, np.nan], (2, 3), None, "not finite"),
        ([1.0, -1.0], (2, 3), None, "negative"),
        ([1.0, 1.0, 1.0], (2, 3), None, "3 singular values"),
        ([1.0], (0, 3), None, "shape"),
        ([1.0], (1, 3), 0.0, "noise_variance"),
    ],
)
def test_bad_input(
    values: list[float], shape: tuple[int, int], given: float | None, word: str
) -> None:
    with pytest.raises(ArgumentError, match=word):
        evbmf(values, shape, noise_variance=given)


#: unfoldings of trained kernels, and the ranks an independent exact solver gave
TRAINED = {
    "crepe.conv1": 155,
    "crepe.conv2.out": 115,
    "crepe.conv2.in": 304,
    "crepe.conv3.out": 62,
    "crepe.conv3.in": 66,
    "crepe.conv4.out": 60,
    "crepe.conv4.in": 67,
    "crepe.conv5.out": 115,
    "crepe.conv5.in": 79,
    "crepe.conv6.out": 240,
    "crepe.conv6.in": 148,
    "crepe.classifier": 169,
    "onet.conv1.out": 8,
    "onet.conv1.in": 2,
    "onet.conv2.out": 28,
    "onet.conv2.in": 26,
    "onet.conv3.out": 20,
    "onet.conv3.in": 29,
    "onet.conv4.out": 16,
    "onet.conv4.in": 15,
    "onet.dense5.out": 75,
}


def test_ranks_of_trained_kernels() -> None:
    table = json.loads(SPECTRA.read_text("utf-8"))["spectra"]
    found = {
        entry["name"]: evbmf(entry["values"], tuple(entry["shape"])).rank
        for entry in table
    }
    assert found == TRAINED
