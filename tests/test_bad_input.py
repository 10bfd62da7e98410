"""What is refused, and how: operation, shapes, the fact that fails, the remedy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.libraries import LIBRARIES, Library

from tnconv import functions as f
from tnconv import networks
from tnconv.errors import ArgumentError, ArrayError

Row = tuple[str, Callable[[], Any], str]


def ones(*shape: int) -> Any:
    return np.ones(shape)


X1, W1 = ones(2, 4, 9), ones(6, 4, 3)
X2, W2 = ones(2, 4, 9, 9), ones(6, 4, 3, 3)
T1 = ones(4, 6, 3)  # a transposed weight for X1
Y1 = ones(2, 6, 7)
REAL: Any = 3.0


def conv(x: Any = X1, weight: Any = W1, **hyper: Any) -> Callable[[], Any]:
    return lambda: f.conv(x, weight, **hyper)


def transposed(**hyper: Any) -> Callable[[], Any]:
    return lambda: f.conv_transpose(X1, T1, **hyper)


# What the call is, and a piece of text its message holds.
ARGUMENTS: tuple[Row, ...] = (
    ("conv", conv(ones(2, 3, 9)), "3 channels"),
    ("conv", conv(groups=3), "not divisible by groups=3"),
    ("conv", conv(ones(2, 8, 9), ones(5, 4, 3), groups=2), "out_channels=5"),
    ("conv", conv(groups=2), "4 in each of 2 groups"),
    ("conv", conv(groups=0), "groups has 0"),
    ("conv", conv(groups=-1), "groups has -1"),
    ("conv", conv(groups=True), "groups has True"),
    ("conv", conv(groups=1.0), "groups has 1.0"),
    ("conv", conv(groups=(1,)), "groups has (1,)"),
    ("conv", conv(stride=0), "stride has 0"),
    ("conv", conv(stride=-2), "stride has -2"),
    ("conv", conv(stride=(0,)), "stride has 0"),
    ("conv", conv(stride=True), "stride has True"),
    ("conv", conv(stride=1.0), "stride has 1.0"),
    ("conv", conv(stride=np.float64(2)), "stride has"),
    ("conv", conv(stride=np.bool_(True)), "stride has"),
    ("conv", conv(stride=None), "stride has None"),
    ("conv", conv(stride="2"), "stride has '2'"),
    ("conv", conv(stride=[1, 1]), "2 entries for 1 spatial axes"),
    ("conv", conv(stride=()), "0 entries for 1 spatial axes"),
    ("conv", conv(X2, W2, stride=(1,)), "1 entries for 2 spatial axes"),
    ("conv", conv(X2, W2, stride=[2, 2, 2]), "3 entries for 2 spatial axes"),
    ("conv", conv(X2, W2, stride=(2, 1.5)), "stride has 1.5"),
    ("conv", conv(stride={1: 1}), "stride has {1: 1}"),
    ("conv", conv(dilation=0), "dilation has 0"),
    ("conv", conv(dilation=False), "dilation has False"),
    ("conv", conv(dilation=(1, 2)), "2 entries for 1 spatial axes"),
    ("conv", conv(padding=-1), "padding has -1"),
    ("conv", conv(padding=(-1,)), "padding has -1"),
    ("conv", conv(padding=1.0), "padding has 1.0"),
    ("conv", conv(padding=True), "padding has True"),
    ("conv", conv(padding=None), "padding has None"),
    ("conv", conv(padding=(1, 2)), "2 entries for 1 spatial axes"),
    ("conv", conv(padding=((1, 2, 3),)), "(1, 2, 3)"),
    ("conv", conv(padding=((1, True),)), "padding has True"),
    ("conv", conv(padding="full"), "padding='full' is not known"),
    ("conv", conv(padding="same", stride=2), "padding='same' with stride"),
    ("conv", conv(padding_mode="mirror"), "padding_mode='mirror' is not known"),
    ("conv", conv(padding_mode=1), "padding_mode=1 is not known"),
    ("conv", conv(padding=9, padding_mode="reflect"), "at most 8"),
    ("conv", conv(padding=((0, 9),), padding_mode="reflect"), "at most 8"),
    ("conv", conv(padding=10, padding_mode="circular"), "at most 9"),
    ("conv", conv(ones(2, 4, 2)), "the padded input has (2,)"),
    ("conv", conv(dilation=5), "reaches over (11,)"),
    ("conv", conv(padding=((-4, -4),)), "the padded input has (1,)"),
    ("conv", conv(ones(9)), "1 axes for 1 spatial ones"),
    ("conv", conv(X2), "4 axes for 1 spatial ones"),
    ("conv", conv(X1, ones(6, 4)), "weight has 2 axes"),
    ("conv", conv(ones(2, 4, 0)), "spatial size of 0"),
    ("conv", conv(X1, ones(6, 4, 0)), "kernel size of 0"),
    ("conv", lambda: f.conv(X1, W1, ones(5)), "bias"),
    ("conv", lambda: f.conv(X1, W1, ones(6, 1)), "bias"),
    ("conv_transpose", lambda: f.conv_transpose(X1, T1, ones(4)), "bias"),
    ("conv_transpose", transposed(output_padding=1), "output_padding=(1,)"),
    ("conv_transpose", transposed(output_padding=2, stride=2), "is too large"),
    ("conv_transpose", transposed(output_padding=-1), "output_padding has -1"),
    ("conv_transpose", transposed(output_padding=True), "output_padding has True"),
    ("conv_transpose", transposed(padding=6), "spatial sizes (-1,)"),
    ("conv_transpose", transposed(padding="same", stride=2), "'same' with stride"),
    ("conv_transpose", transposed(groups=3), "not divisible by groups=3"),
    ("conv_transpose", lambda: f.conv_transpose(X1, ones(6, 4, 3)), "4 channels"),
    ("conv_weight_vjp", lambda: f.conv_weight_vjp(X1, Y1, 4), "(2, 6, 6)"),
    ("conv_weight_vjp", lambda: f.conv_weight_vjp(X1, ones(3, 6, 7), 3), "(3, 6, 7)"),
    ("conv_weight_vjp", lambda: f.conv_weight_vjp(X1, Y1, 0), "kernel_size has 0"),
    ("conv_weight_vjp", lambda: f.conv_weight_vjp(X1, Y1, ()), "kernel_size is empty"),
    ("conv_weight_vjp", lambda: f.conv_weight_vjp(X1, Y1, REAL), "kernel_size has 3.0"),
    ("conv_weight_vjp", lambda: f.conv_weight_vjp(X1, Y1, (3, 3)), "cotangent"),
    ("conv_weight_vjp", lambda: f.conv_weight_vjp(X1[0], Y1[0], 3), "as a tuple"),
    ("conv_weight_vjp", lambda: f.conv_weight_vjp(X1, Y1[0], (3,)), "(6, 7)"),
    (
        "conv_weight_vjp",
        lambda: f.conv_weight_vjp(X1, ones(2, 5, 7), 3, groups=2),
        "out_channels=5",
    ),
    ("conv_input_vjp", lambda: f.conv_input_vjp(W1, Y1, 8), "(2, 6, 6)"),
    ("conv_input_vjp", lambda: f.conv_input_vjp(W1, Y1, (9, 9)), "2 entries"),
    ("conv_input_vjp", lambda: f.conv_input_vjp(W1, Y1, -9), "input_size has -9"),
    ("conv_input_vjp", lambda: f.conv_input_vjp(W1, ones(2, 5, 7), 9), "(2, 6, 7)"),
    ("conv_bias_vjp", lambda: f.conv_bias_vjp(ones(6)), "batched=False"),
    ("conv_jvp", lambda: f.conv_jvp(X1, W1), "no tangent"),
    ("conv_jvp", lambda: f.conv_jvp(X1, W1, x_tangent=Y1), "x_tangent has shape"),
    ("conv_jvp", lambda: f.conv_jvp(X1, W1, weight_tangent=T1), "weight_tangent has"),
    ("conv_jvp", lambda: f.conv_jvp(X1, W1, bias_tangent=ones(5)), "bias_tangent has"),
    ("conv_transpose_jvp", lambda: f.conv_transpose_jvp(X1, T1), "no tangent"),
    (
        "conv_weight_jacobian",
        lambda: f.conv_weight_jacobian(X1, -1, 3),
        "out_channels has -1",
    ),
    (
        "conv_transpose_weight_vjp",
        lambda: f.conv_transpose_weight_vjp(X1, ones(2, 6, 12), 3),
        "(2, 6, 11)",
    ),
    (
        "conv_transpose_input_vjp",
        lambda: f.conv_transpose_input_vjp(T1, ones(2, 6, 12), 9),
        "(2, 6, 11)",
    ),
    ("unfold", lambda: f.unfold(X1, 10), "reaches over (10,)"),
    ("unfold", lambda: f.unfold(ones(4, 9), 3), "as a tuple"),
    ("fold", lambda: f.fold(ones(2, 7, 7), (9,), 3), "7 rows"),
    ("fold", lambda: f.fold(ones(2, 12, 6), (9,), 3), "6 positions"),
    ("fold", lambda: f.fold(ones(2, 12, 7), 9, 3), "as a tuple"),
    ("fold", lambda: f.fold(ones(12), (9,), 3), "1 axes"),
    ("unfold_transpose", lambda: f.unfold_transpose(X1, 3, stride=0), "stride has 0"),
    ("toeplitz", lambda: f.toeplitz(W1, 2), "the padded input has (2,)"),
    ("toeplitz", lambda: f.toeplitz(ones(6, 4), 9), "weight has 2 axes"),
    ("conv", lambda: networks.conv((2, -4, 9), (6, 4, 3)), "(2, -4, 9)"),
    ("conv", lambda: networks.conv((2, 4.0, 9), (6, 4, 3)), "not a tuple of sizes"),  # type: ignore[arg-type]
    ("unfold", lambda: networks.unfold((2, 4, 9), 3, groups=2), "groups is given"),
)


@pytest.mark.parametrize(
    ("operation", "run", "text"),
    ARGUMENTS,
    ids=[f"{name}-{text}" for name, _, text in ARGUMENTS],
)
def test_wrong_argument(operation: str, run: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        run()
    message = str(caught.value)
    assert message.startswith(f"{operation}:"), message
    assert text in message, message
    assert "; " in message, "no remedy: " + message


def test_equal_keys_of_other_types_are_no_cache_hits() -> None:
    f.conv(X1, W1, stride=1)
    for wrong in (True, 1.0):
        with pytest.raises(ArgumentError):
            f.conv(X1, W1, stride=wrong)  # type: ignore[arg-type]


def test_an_error_is_the_built_in_one_too() -> None:
    with pytest.raises(ValueError, match="stride has 0"):
        f.conv(X1, W1, stride=0)


@pytest.mark.parametrize("library", LIBRARIES, ids=str)
def test_mixed_dtypes(library: Library) -> None:
    x, weight = library.array(X1, "float32"), library.array(W1, "float64")
    with pytest.raises(ArrayError, match=r"weight.*float64|float64.*weight"):
        f.conv(x, weight)


def test_mixed_dtype_of_the_bias() -> None:
    with pytest.raises(ArrayError, match="bias"):
        f.conv(X1, W1, np.ones(6, np.float32))


def test_mixed_libraries() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ArrayError, match=r"torch.*numpy|numpy.*torch"):
        f.conv(X1, torch.ones(6, 4, 3, dtype=torch.float64))
    with pytest.raises(ArrayError, match="bias"):
        f.conv(X1, W1, torch.ones(6, dtype=torch.float64))


def test_mixed_devices() -> None:
    torch = pytest.importorskip("torch")
    x = torch.ones(2, 4, 9)
    with pytest.raises(ArrayError, match="meta"):
        f.conv(x, torch.ones(6, 4, 3, device="meta"))


@pytest.mark.parametrize(
    "wrong",
    [X1.astype(bool), X1.astype(object), X1.astype(str)],
    ids=["bool", "object", "str"],
)
def test_dtypes_that_are_no_numbers(wrong: Any) -> None:
    with pytest.raises(ArrayError, match=r"dtype|bool|object|str"):
        f.conv(wrong, W1.astype(wrong.dtype))


@pytest.mark.parametrize(
    "wrong", [X1.tolist(), None, 3.0, "x"], ids=["list", "None", "float", "str"]
)
def test_what_is_no_array(wrong: Any) -> None:
    with pytest.raises(ArrayError, match=r"\bx\b"):
        f.conv(wrong, W1)
    with pytest.raises(ArrayError, match="weight"):
        f.conv(X1, wrong)


def test_a_list_for_a_bias() -> None:
    with pytest.raises(ArrayError, match="bias"):
        f.conv(X1, W1, [0.0] * 6)
