"""Compressed models on disk, exported, trained on; batch normalization; the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.torch.compress.cases import CASES, Case
from torch import nn

from tnconv.cli import main
from tnconv.errors import ArgumentError
from tnconv.factor import Fraction
from tnconv_backends.torch.compress import (
    balance,
    compress,
    finetune,
    fold_batchnorm,
    load,
    lowered,
    parameter_groups,
    recalibrate,
    refit,
    save,
)

Tensor = torch.Tensor


def net() -> nn.Module:
    """A small network with batch normalization."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, stride=2, groups=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 12),
    )


def trained() -> nn.Module:
    torch.manual_seed(0)
    model = net()
    for _ in range(3):
        model(torch.randn(8, 3, 8, 8) + 1)  # moves the averages
    return model.eval()


def inputs(n: int = 4) -> Tensor:
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("fold", [False, True])
def test_round_trip(tmp_path: Path, fold: bool) -> None:
    small, _ = compress(trained(), budget=Fraction(0.7), fold_batchnorm=fold)
    spec, weights = save(small, tmp_path / "out")
    again = load(net(), spec, weights).eval()
    assert torch.equal(again(inputs()), small(inputs()))
    assert repr(again) == repr(small)
    assert sorted(p.name for p in spec.parent.iterdir()) == [spec.name, weights.name]


def test_shared_layers_are_saved_once(tmp_path: Path) -> None:
    layer = nn.Linear(20, 20)
    small, _ = compress(nn.Sequential(layer, layer), rank=2)
    other = nn.Linear(20, 20)
    again: Any = load(nn.Sequential(other, other), *save(small, tmp_path))
    assert again[0] is again[1]
    x = torch.ones(2, 20)
    assert torch.equal(again(x), small(x))


def spoiled(change: Any) -> Any:
    def spoil(spec: dict[str, Any]) -> dict[str, Any]:
        change(spec)
        return spec

    return spoil


SPOILED = {
    "kind": lambda s: s.update(kind="x"),
    "version": lambda s: s.update(version=2),
    "more": lambda s: s.update(more=1),
    "less": lambda s: s.pop("aliases"),
    "layers": lambda s: s.update(layers=[1]),
    "folded": lambda s: s.update(folded=["a"]),
    "name": lambda s: s.update(layers={"nine": next(iter(s["layers"].values()))}),
    "other": lambda s: s.update(layers={"2": next(iter(s["layers"].values()))}),
    "ranks": lambda s: next(iter(s["layers"].values())).update(ranks=[10**9]),
    "alias": lambda s: s.update(aliases={"a": "b"}),
    "fewer": lambda s: s.update(layers={}),
}


@pytest.mark.parametrize("change", SPOILED)
def test_damaged_specs_are_refused(tmp_path: Path, change: str) -> None:
    small, _ = compress(trained(), rank=2, formats="svd-out")
    spec, weights = save(small, tmp_path)
    found = json.loads(spec.read_text())
    SPOILED[change](found)
    with pytest.raises(ArgumentError, match="load: "):
        load(net(), found, weights)


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    small, _ = compress(trained(), rank=2, formats="svd-out")
    spec, weights = save(small, tmp_path)
    with pytest.raises(ArgumentError, match="convert the model first"):
        load(net().double(), spec, weights)
    weights.write_bytes(b"no such thing")
    with pytest.raises(ArgumentError, match="no safetensors file"):
        load(net(), spec, weights)
    spec.write_text("{")
    with pytest.raises(ArgumentError, match="no JSON"):
        load(net(), spec, weights)


def test_folding_and_recalibrating() -> None:
    model = trained()
    wanted = model(inputs())
    assert fold_batchnorm(model) == [("0", "1")]
    torch.testing.assert_close(model(inputs()), wanted)
    with pytest.raises(ArgumentError, match="training mode"):
        fold_batchnorm(net())
    small: Any
    small, _ = compress(trained(), rank=1, formats="svd-out")
    batches = [inputs(8), inputs(8) * 2]
    recalibrate(small, batches)
    seen = torch.stack([small[0](x).mean((0, 2, 3)) for x in batches]).mean(0)
    torch.testing.assert_close(small[1].running_mean, seen)
    assert not any(module.training for module in small.modules())
    with pytest.raises(ArgumentError, match="no batch"):
        recalibrate(small, [])


def test_finetuning_brings_the_loss_down() -> None:
    dense = trained()
    small, _ = compress(dense, rank=2, formats="tucker2")
    before = small(inputs())
    torch.testing.assert_close(balance(small)(inputs()), before, rtol=1e-4, atol=1e-5)
    norms = [p.square().mean() for n, p in small[3].named_parameters() if "_" in n]  # type: ignore[index]
    torch.testing.assert_close(norms[0], norms[1])
    with torch.no_grad():
        target = dense(inputs())

    def step(model: nn.Module, x: Tensor) -> Tensor:
        loss: Tensor = (model(x) - target).square().mean()
        return loss

    losses = finetune(small, [inputs()] * 10, step, lr=0.01, epochs=3)
    assert losses[2] < losses[0]
    groups = parameter_groups(small, 0.1, factors={"tucker2": 0.5})
    rates = {group["name"]: group["lr"] for group in groups}
    assert rates["factors of tucker2"] == 0.05 and rates["others"] == 0.1
    held = [p for group in groups for p in group["params"]]
    assert len(held) == len(list(small.parameters()))
    with pytest.raises(ArgumentError, match="the loss is nan"):
        finetune(small, [inputs()], lambda m, x: m(x).sum() * torch.nan)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", [CASES[2], CASES[7], CASES[8], CASES[10]], ids=str)
def test_onnx(case: Case, tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    module = case.module("cp" if case.sizes[0] == 4 else "svd-in").float()
    model, x = lowered(nn.Sequential(module, nn.ReLU())).eval(), case.input().float()
    path = tmp_path / "model.onnx"
    torch.onnx.export(model, (x,), str(path), dynamo=False, input_names=["x"])
    kinds = {node.op_type for node in onnx.load(str(path)).graph.node}
    allowed = {"Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Relu", "Constant"}
    assert kinds <= allowed | {"Pad", "Identity", "Transpose"}, kinds
    session = onnxruntime.InferenceSession(str(path))
    (found,) = session.run(None, {"x": x.numpy()})
    wanted = nn.Sequential(module, nn.ReLU())(x).detach().numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def files(folder: Path) -> list[str]:
    np.save(folder / "data.npy", inputs(8).numpy())
    torch.save(trained().state_dict(), folder / "weights.pth")
    save_file(trained().state_dict(), folder / "weights.safetensors")
    return ["compress", f"{__name__}:net", "--out", str(folder / "out")]


@pytest.mark.parametrize("weights", ["weights.pth", "weights.safetensors"])
def test_the_command(tmp_path: Path, weights: str, capsys: Any) -> None:
    command = [*files(tmp_path), "--weights", str(tmp_path / weights)]
    command += [
        "--macs",
        "0.6",
        "--slower",
        "--data",
        str(tmp_path / "data.npy"),
        "--batch",
        "4",
    ]
    assert main(command) == 0
    assert "whole model" in capsys.readouterr().out
    out = tmp_path / "out"
    again = load(net(), out / "spec.json", out / "weights.safetensors").eval()
    wanted, _ = compress(
        trained(),
        budget=Fraction(0.6, of="macs"),
        data=torch.split(inputs(8), 4),
        slower=True,
    )
    torch.testing.assert_close(again(inputs()), wanted(inputs()))
    assert json.loads((out / "report.json").read_text())["kind"]


def test_the_command_refuses(tmp_path: Path, capsys: Any) -> None:
    command = files(tmp_path)
    good = ["--weights", str(tmp_path / "weights.pth")]
    pickled = tmp_path / "free.pth"
    torch.save({"model": nn.Linear(2, 2)}, pickled)
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "wide.npy", inputs().double().numpy())
    for more, message in (
        ([*good, "--rank", "many"], "--rank 'many' is none"),
        (["--weights", str(pickled), "--rank", "2"], "no state_dict of tensors alone"),
        ([*good, "--rank", "2", "--data", str(tmp_path / "object.npy")], "no .npy"),
        ([*good, "--rank", "2", "--data", str(tmp_path / "wide.npy")], "the model"),
        ([*good, "--rank", "2", "--input", "a"], "is no shape"),
        ([*good, "--macs", "0.5"], "give --input"),
    ):
        assert main([*command, *more]) == 2
        assert message in capsys.readouterr().err
    command[1] = f"{__name__}:absent"
    assert main([*command, *good, "--rank", "2"]) == 2
    assert "is not there" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_refitting_brings_the_output_nearer() -> None:
    dense = trained()
    small, _ = compress(dense, rank=3, formats="tucker2", slower=True)
    data, fresh = [inputs(8), inputs(8) * 1.5], inputs(6) * 1.2
    before = (small(fresh) - dense(fresh)).norm()
    errors = refit(small, dense, data)
    assert list(errors) == ["0", "3", "7"] and max(errors.values()) < 1
    assert (small(fresh) - dense(fresh)).norm() < before
    with pytest.raises(ArgumentError, match="has no layer"):
        refit(small, nn.Sequential(), data)
    with pytest.raises(ArgumentError, match="no batch"):
        refit(small, dense, [])
