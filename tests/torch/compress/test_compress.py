"""Whole models: budgets are kept, layers are chosen, what is left is said."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from tnconv.errors import ArgumentError
from tnconv.factor import EVBMF, Fraction
from tnconv_backends.torch.compress import (
    FactorizedConv2d,
    FactorizedLinear,
    FactorizedModule,
    compress,
)
from tnconv_backends.torch.compress import survey as surveys
from tnconv_backends.torch.compress.solve import Point, loss, solve

Tensor = torch.Tensor


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 24, 3, stride=2, dilation=2, padding=2),
        nn.ReLU(),
        nn.ConvTranspose2d(24, 8, (3, 2), stride=2, groups=2),
        nn.Flatten(),
        nn.Linear(8 * 9 * 8, 10),
    ).eval()


def batch(seed: int = 0, n: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, 7, 7, generator=generator)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("share", [0.3, 0.7])
@pytest.mark.parametrize("of", ["params", "macs"])
def test_a_budget_is_kept_and_used(of: Any, share: float) -> None:
    dense = model()
    state = copy.deepcopy(dense.state_dict())
    small, report = compress(
        dense, budget=Fraction(share, of=of), example=batch(), slower=True
    )
    before, after = (
        report.parameters if of == "params" else report.total("macs") or (0, 0)
    )
    assert 0.8 * share < after / before <= share
    assert report.parameters == (count(dense), count(small))
    torch.testing.assert_close(dense.state_dict(), state)
    assert small(batch()).shape == dense(batch()).shape
    for name, one in report.factorized.items():
        module: Any = small.get_submodule(name)
        layer: Any = dense.get_submodule(name)
        assert isinstance(module, FactorizedModule)
        away = (module.weight - layer.weight).norm() / layer.weight.norm()
        assert one.weight_error == pytest.approx(away.item(), abs=1e-4)
        assert one.ranks == module.kernel.ranks and one.after is not None
        assert one.after.params == module.kernel.parameters


def test_multiply_adds_are_those_of_the_layers() -> None:
    _, report = compress(model(), rank=1, example=batch())
    before = {one.name: one.before for one in report.layers}
    assert before["0"].macs == 16 * 3 * 9 * 49  # type: ignore[union-attr]
    assert before["2"].macs == 24 * 16 * 9 * 16  # type: ignore[union-attr]
    assert before["4"].macs == 24 * 4 * 6 * 16  # type: ignore[union-attr]
    assert before["6"].macs == 10 * 8 * 9 * 8  # type: ignore[union-attr]


def test_full_ranks_are_the_model() -> None:
    from tnconv.factor import Energy

    wide: Any = nn.Sequential(nn.Linear(40, 60), nn.Linear(60, 40)).double()
    with torch.no_grad():  # of rank 5
        for layer in wide:
            layer.weight.copy_(layer.weight[:, :5] @ layer.weight[:5])
    small, report = compress(wide, rank=Energy(1.0))
    assert [one.ranks for one in report.layers] == [(5,), (5,)]
    x = torch.randn(3, 40, dtype=torch.float64)
    torch.testing.assert_close(small(x), wide(x))


def test_data_brings_the_output_nearer() -> None:
    dense = model()
    mixing = torch.randn(3, 3, generator=torch.Generator().manual_seed(5))
    mixing[1:] *= 0.05  # one direction matters

    def inputs(seed: int) -> Tensor:
        return torch.einsum("nchw,cd->ndhw", batch(seed, 16), mixing)

    errors = {}
    for how in ("weights", "data"):
        data = [inputs(1), inputs(2)] if how == "data" else None
        rank = {"0": 4, "2": 4}
        small, report = compress(
            dense, rank=rank, formats="svd-out", slower=True, data=data
        )
        with torch.no_grad():
            x = inputs(3)
            errors[how] = (small(x) - dense(x)).norm().item()
        assert all(
            (one.output_error is None) == (how == "weights")
            for one in report.factorized.values()
        )
    assert errors["data"] < errors["weights"]


class Odd(nn.Module):
    """Layers that stay as they are, each for a reason of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.tied = nn.Linear(12, 12)
        self.other = nn.Linear(12, 12)
        self.other.weight = self.tied.weight
        self.normed = parametrizations.weight_norm(nn.Linear(12, 12))
        self.old = nn.Linear(12, 12)
        self.functional = nn.Linear(12, 12)
        self.depthwise = nn.Conv1d(12, 12, 3, padding=1, groups=12)
        self.unused = nn.Linear(12, 12)
        self.hooked = nn.Linear(12, 12)
        self.hooked.register_forward_hook(lambda *args: None)
        self.embedding = nn.Embedding(5, 12)
        self.plain = nn.Linear(12, 12)
        with torch.no_grad():
            self.plain.weight.copy_(torch.ones(12, 12))
            self.old.weight[0, 0] = torch.nan

    def forward(self, x: Tensor) -> Tensor:
        x = self.other(self.tied(x)) + F.linear(x, self.functional.weight)
        x = self.depthwise(self.hooked(self.normed(x)).mT).mT
        return self.plain(x + self.embedding(torch.tensor(1)))  # type: ignore[no-any-return]


def test_what_is_left_is_left_for_a_reason() -> None:
    x = torch.ones(2, 12, 12)
    small, report = compress(Odd(), rank=2, example=x, slower=True)
    wanted = {
        "tied": "another layer's too",
        "other": "another layer's too",
        "normed": "parametrization",
        "old": "NaN",
        "functional": "outside the layer",
        "depthwise": "depthwise",
        "unused": "did not run",
        "hooked": "hooks",
        "embedding": "Embedding is no layer",
    }
    assert report.skipped.keys() == wanted.keys()
    for name, why in wanted.items():
        assert why in report.skipped[name], name
    assert list(report.factorized) == ["plain"]
    torch.testing.assert_close(small.get_submodule("plain").weight, torch.ones(12, 12))


def test_a_shared_layer_stays_shared_and_a_layer_may_be_the_model() -> None:
    layer = nn.Linear(20, 20)
    small: Any
    small, report = compress(nn.Sequential(layer, nn.ReLU(), layer), rank=3)
    assert small[0] is small[2] and isinstance(small[0], FactorizedLinear)
    assert [one.name for one in report.layers] == ["0"]
    alone, _ = compress(nn.Conv2d(8, 8, 3), rank=2, formats="tucker2")
    assert isinstance(alone, FactorizedConv2d)


def test_where_and_ranks_by_name() -> None:
    dense = model()
    _, by_function = compress(
        dense, rank=2, where=lambda name, module: isinstance(module, nn.Linear)
    )
    _, by_name = compress(dense, rank={"6": 2})
    assert list(by_function.factorized) == list(by_name.factorized) == ["6"]
    _, capped = compress(dense, rank=20, formats="tucker2")
    assert "above" in capped.skipped["0"] or "not within" in capped.skipped["0"]
    _, rounded = compress(dense, rank=EVBMF(0.5), formats="tucker2", round_to=4)
    assert all(r % 4 == 0 or r < 4 for r in rounded.factorized["2"].ranks)


def test_the_report(tmp_path: Path) -> None:
    _, report = compress(
        model(), budget=Fraction(0.6), data=[batch()], measure=True, slower=True
    )
    found = json.loads(report.to_json())
    assert [one["name"] for one in found["layers"]] == ["0", "2", "4", "6"]
    text = str(report)
    for one in report.layers:
        (line,) = [part for part in text.splitlines() if part.endswith(one.reason)]
        assert one.name in line.partition(": ")[0].split(", ")
        if one.factorized:
            assert one.measured is not None and min(one.measured) > 0
            assert one.before is not None and one.before.seconds
    report.plot(tmp_path / "report.png")
    assert (tmp_path / "report.png").stat().st_size > 1000


def test_seconds_keep_what_is_fast() -> None:
    _, report = compress(
        model(), budget=Fraction(0.97, of="seconds"), example=batch(n=32)
    )
    before, after = report.total("seconds") or (0, 0)
    assert 0 < after <= 0.97 * before
    for one in report.factorized.values():
        assert one.before and one.after and one.after.seconds < one.before.seconds  # type: ignore[operator]


BAD: tuple[tuple[dict[str, Any], str], ...] = (
    ({}, "one of budget and rank"),
    ({"rank": 2, "budget": Fraction(0.5)}, "one of budget and rank"),
    ({"budget": 0.5}, "give a Fraction"),
    ({"rank": 0}, "ints of at least 1"),
    ({"rank": True}, "ints of at least 1"),
    ({"rank": 2, "formats": "cp5"}, "formats has 'cp5'"),
    ({"rank": 2, "formats": ()}, "formats has nothing"),
    ({"rank": 2, "where": ["7"]}, "where names 7"),
    ({"rank": {"1": 2}}, "names layers that are not factorized"),
    ({"rank": {"6": 99}}, "layer '6'"),
    ({"budget": Fraction(0.5, of="macs")}, "give example="),
    ({"budget": Fraction(0.01)}, "cannot be met"),
    ({"rank": 2, "data": []}, "holds no batch"),
    ({"rank": 2, "data": torch.ones(1, 3, 7, 7)}, "data is a tensor"),
    ({"rank": 2, "example": "x"}, "a batch is a str"),
)


@pytest.mark.parametrize("arguments, message", BAD, ids=lambda x: str(x)[:40])
def test_bad_input(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        compress(model(), **arguments)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_moments_of_wide_layers_are_marginals(
    kind: Any, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of channels over all inputs, of positions as the whole factor has them."""
    torch.manual_seed(0)
    layer = kind(6, 4, (3, 2), stride=2, padding=1, groups=groups)
    batches = [torch.randn(3, 6, 7, 8) for _ in range(2)]
    whole = surveys.survey(layer, {"": layer}, batches, moments=True).seen[""].moments
    monkeypatch.setattr(surveys, "FEATURES", 1)
    seen = surveys.survey(layer, {"": layer}, batches, moments=True).seen[""]
    assert whole is not None and seen.moments is not None
    channels, positions = seen.moments
    inner = 6 // groups
    full = whole[0].reshape(groups, inner, 6, inner, 6)
    torch.testing.assert_close(positions, full.diagonal(dim1=1, dim2=3).sum(-1))
    x = torch.cat(batches).reshape(6, groups, inner, -1)
    torch.testing.assert_close(channels, torch.einsum("ngcp,ngdp->gcd", x, x))
    first, second = seen.covariance  # type: ignore[misc]
    assert first is channels
    apart = second - surveys.TOGETHER * positions
    mean = positions.diagonal(dim1=1, dim2=2).mean(1)
    one = (1 - surveys.TOGETHER) * mean[:, None, None] * torch.eye(6)
    torch.testing.assert_close(apart, one, atol=1e-3, rtol=1e-4)


def test_a_layer_of_many_features_comes_nearer_its_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    mix = torch.randn(12, 12) / torch.arange(1.0, 13)[:, None] ** 1.5
    layer = nn.Conv1d(12, 16, 5)
    data = [torch.einsum("cd,ndt->nct", mix.T, torch.randn(32, 12, 40))]
    monkeypatch.setattr(surveys, "FEATURES", 1)
    model = nn.Sequential(layer)
    plain, _ = compress(model, rank=(5, 5), formats="tucker2", slower=True)
    aware, report = compress(
        model, rank=(5, 5), formats="tucker2", slower=True, data=data
    )
    wanted = layer(data[0])
    errors = [(m(data[0]) - wanted).norm().item() for m in (plain, aware)]
    assert errors[1] < 0.9 * errors[0]
    assert report.factorized["0"].output_error is not None


def test_no_layer_is_given_up_to_spare_another() -> None:
    """Of errors added up, the least would be a whole layer and none of the other."""
    errors = {"dense": 0.0, "half": 0.6, "gone": 0.999}
    costs = {"dense": 10.0, "half": 5.0, "gone": 1.0}

    def chosen(weigh: Callable[[float], float]) -> list[str]:
        points = [Point(costs[n], weigh(e), n) for n, e in errors.items()]
        found = solve({"first": points, "second": points}, 11.0)
        return sorted(point.option for point in found.values())

    assert chosen(lambda error: error) == ["dense", "gone"]
    assert chosen(loss) == ["half", "half"]
