"""What can be tuned: records of layers, files, recorded runs, models."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.tuning.small import LAYERS

import tnconv
from tnconv import networks
from tnconv.errors import ArgumentError
from tnconv.network import Network
from tnconv.notation import parse
from tnconv.options import current
from tnconv.store.key import options_of
from tnconv.tuning.files import read_tasks
from tnconv.tuning.layers import OPERATIONS, Layer, read_layer
from tnconv.tuning.tasks import Settings, tasks_of

ROOT = Path(__file__).resolve().parents[2]
X, W, Y = (2, 4, 9, 8), (6, 2, 3, 3), (2, 6, 5, 4)
HYPER: dict[str, Any] = {"stride": (2, 2), "padding": (1, 1), "groups": 2}
RECORD = {
    "in_channels": 4,
    "out_channels": 6,
    "input_size": [9, 8],
    "kernel_size": 3,
    "stride": 2,
    "padding": [1, 1],
    "groups": 2,
}
BUILT = {
    "forward": networks.conv(X, W, **HYPER),
    "input-vjp": networks.conv_input_vjp(W, Y, X[2:], **HYPER),
    "weight-vjp": networks.conv_weight_vjp(X, Y, (3, 3), **HYPER),
    "per-example": networks.conv_weight_vjp(X, Y, (3, 3), per_example=True, **HYPER),
    "kfac-expand": networks.kfac_input_factor(X, (3, 3), **HYPER),
    "kfac-reduce": networks.kfac_input_factor(
        X, (3, 3), approximation="reduce", **HYPER
    ),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_record_gives_the_networks_that_calls_give(operation: str) -> None:
    layer = read_layer(RECORD, batch=2)
    assert layer.network(operation) == BUILT[operation]


def test_plans_of_a_record_are_kept_as_the_public_function_looks_them_up() -> None:
    settings, seen = Settings(operations=("forward", "kfac-expand")), []
    plain, aimed = [options_of(t.constraints) for t in tasks_of([RECORD], settings)]
    with tnconv.options(watch=lambda *where: seen.append(where[2])):
        tnconv.kfac_input_factor(np.ones(X, np.float32), (3, 3), **HYPER)
    assert seen == [aimed] and plain is current()


def test_transposed_layers() -> None:
    record = {**RECORD, "transposed": True, "output_padding": 1, "batch": 3}
    layer = read_layer(record, batch=2)
    weight = (4, 3, 3, 3)
    hyper: dict[str, Any] = {**HYPER, "output_padding": (1, 1)}
    expected = networks.conv_transpose((3, 4, 9, 8), weight, **hyper)
    assert layer.network("forward") == expected
    for operation in OPERATIONS:
        assert isinstance(layer.network(operation), Network)


def test_padding_as_pairs_comes_first() -> None:
    record = {**RECORD, "padding": None, "padding_pairs": [[0, 1], [0, 1]]}
    hyper: dict[str, Any] = {**HYPER, "padding": ((0, 1), (0, 1))}
    assert read_layer(record, 2).network("forward") == networks.conv(X, W, **hyper)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kernel_size": None}, "kernel_size"),
        ({"in_channels": 5}, "groups"),
        ({"in_channels": -1}, "in_channels"),
        ({"in_channels": 2.5}, "in_channels"),
        ({"kernel_size": [3]}, "kernel_size"),
        ({"kernel_size": [30, 3]}, "kernel"),
        ({"strides": 2, "stride": None}, "stride"),
        ({"padding_mode": "odd"}, "padding_mode"),
    ],
)
def test_what_is_wrong_with_a_record_is_said(change: Any, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        read_layer({**RECORD, **change}, 2)


def test_a_slip_of_the_pen_is_found() -> None:
    record = {**RECORD, "strides": 2}
    del record["stride"]
    with pytest.raises(ArgumentError, match="'strides', which is not 'stride'"):
        read_layer(record, 2)
    del record["strides"], record["in_channels"]
    with pytest.raises(ArgumentError, match="has no in_channels"):
        read_layer(record, 2)


def test_the_layers_of_the_benchmarks_can_all_be_read() -> None:
    path = ROOT / "benchmarks/data/layers.json"
    tasks = read_tasks(path, Settings(operations=["forward"]))
    records = json.loads(path.read_text())
    assert len(tasks) == len(records) == 169
    for task, record in zip(tasks, records, strict=True):
        size = [8, record["out_channels"], *record["output_size"]]
        assert list(task.network.shape) == size


TOML = """
[[layers]]
name = "first"
in_channels = 3
out_channels = 4
input_size = [9]
kernel_size = [3]

[[networks]]
name = "product"
notation = "a b, b c -> a c"
shapes = [[2, 3], [3, 4]]
dtype = "float64"

[[networks]]
notation = "x: n c i, i ~ 2 o + k - 1, d c k -> n d o"
sizes = { n = 8, i = 32, c = 3, d = 16, o = 16, k = 3 }
"""


def test_layers_and_networks_in_toml(tmp_path: Path) -> None:
    path = tmp_path / "what.toml"
    path.write_text(TOML)
    first, product, conv = read_tasks(path, Settings(operations=["forward"], batch=5))
    assert first.network == networks.conv((5, 3, 9), (4, 3, 3))
    assert product.network == parse("a b, b c -> a c", shapes=[(2, 3), (3, 4)])
    assert (product.name, product.dtype, product.backend) == (
        "product",
        "float64",
        "numpy",
    )
    assert conv.network.shape == (8, 16, 16)
    torch, *_ = read_tasks(path, Settings(backend="torch", dtype="float16"))
    assert (torch.backend, torch.dtype) == ("torch", "float16")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "{", "not JSON"),
        ("a.toml", "= 3", "not TOML"),
        ("a.json", "3", "no layers or networks"),
        ("a.json", "{}", "no layers or networks"),
        ("a.json", "[]", "empty"),
        ("a.json", "[3]", "entry 1"),
        ("a.json", '{"networks": [3]}', "network 1"),
        ("a.json", '{"networks": [{"name": "x"}]}', "neither notation nor network"),
        ("a.json", '{"networks": [{"notation": "a ->"}]}', "network 1"),
        ("a.json", '{"networks": [{"network": 3}]}', "network 1"),
        ("a.json", '{"kind": "plans", "layers": []}', "this version reads"),
        ("a.json", '{"layers": {}}', "layers"),
        ("a.json", "[" * 100_000, "not JSON"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    name: str, text: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ArgumentError, match=said):
        read_tasks(path, Settings())


def test_what_is_given_counts_before_what_an_expression_says() -> None:
    expression = tnconv.expression(networks.conv((1, 2, 9), (4, 2, 3)))
    (own,) = tasks_of([expression], Settings())
    (given,) = tasks_of([own], Settings(backend="torch", dtype="float64"))
    (other,) = tasks_of([expression], Settings(dtype="float16"))
    assert (own.backend, own.dtype) == ("numpy", "float32")
    assert (given.backend, given.dtype) == ("torch", "float64")
    assert (other.backend, other.dtype) == ("numpy", "float16")


def test_an_operation_or_dtype_that_is_not_there() -> None:
    with pytest.raises(ArgumentError, match="none of forward"):
        list(tasks_of(LAYERS, Settings(operations=["backward"])))
    with pytest.raises(tnconv.ArrayError, match="none of int8"):
        list(tasks_of(LAYERS, Settings(dtype="float8")))


def test_the_layers_of_a_model() -> None:
    torch = pytest.importorskip("torch")
    from tnconv_backends.torch.observed import layer_records

    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1, padding_mode="reflect"),
        nn.BatchNorm2d(4),
        nn.ConvTranspose2d(4, 6, (2, 3), stride=2, output_padding=1, groups=2),
    ).train()
    before = model[1].running_mean.clone()
    records = layer_records(model, (5, 3, 8, 9))
    assert model.training and torch.equal(model[1].running_mean, before)
    layers = [read_layer(record, 1) for record in records]
    assert [layer.name for layer in layers] == ["0", "2"]
    x = torch.ones(5, 3, 8, 9)
    for layer, module in zip(layers, (model[0], model[2]), strict=True):
        assert isinstance(layer, Layer)
        assert layer.x == tuple(x.shape)
        assert layer.weight == tuple(module.weight.shape)
        x = module(x)
        assert layer.output == tuple(x.shape)
    with pytest.raises(ArgumentError, match="does not run"):
        layer_records(model, (5, 4, 8, 9))
    with pytest.raises(ArgumentError, match="no convolution"):
        layer_records(nn.ReLU(), (5, 4))


def test_a_model_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from tnconv_backends.torch.observed import layer_records

    source = "import torch\ndef made(): return torch.nn.Conv1d(2, 3, 3)\n"
    (tmp_path / "some_model.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    (record,) = layer_records("some_model:made", (4, 2, 9))
    assert record["in_channels"] == 2
    assert os.getcwd() == str(tmp_path)
    with pytest.raises(ArgumentError, match="tune: 'some_model:other' is not there"):
        layer_records("some_model:other", (4, 2, 9))
