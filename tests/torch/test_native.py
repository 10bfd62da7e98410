"""The operand of a native backward of which only the shape is read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import tnconv

torch = pytest.importorskip("torch")

from tnconv_backends.torch.native import unread  # noqa: E402


def resident() -> int:
    """Bytes that this process holds in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_is_not_read_holds_no_memory() -> None:
    x, before = torch.ones(1), resident()
    like = unread(x, (64, 1 << 20))
    assert like.shape == (64, 1 << 20)
    assert like.is_contiguous()
    assert unread(x, (64, 1 << 20)) is like
    assert resident() - before < 16 << 20


def test_other_devices_and_dtypes_have_their_own() -> None:
    assert unread(torch.ones(1, device="meta"), (2, 3)).device.type == "meta"
    for name in ("float64", "bfloat16"):
        dtype = getattr(torch, name)
        assert unread(torch.ones(1, dtype=dtype), (2, 3)).dtype == dtype


def test_gradients_follow_a_call_in_inference_mode() -> None:
    """What the first call leaves behind serves those that are differentiated."""
    w, v = torch.randn(6, 4, 3, 3), torch.randn(2, 6, 9, 9)
    with torch.inference_mode(), tnconv.options(forms=["native"]):
        first = tnconv.conv_input_vjp(w, v, (9, 9), padding=1)
    w.requires_grad_()
    with tnconv.options(forms=["native"]):
        again = tnconv.conv_input_vjp(w, v, (9, 9), padding=1)
    (found,) = torch.autograd.grad(again.sum(), w)
    wanted = torch.nn.grad.conv2d_input((2, 4, 9, 9), w, v, padding=1)
    (expected,) = torch.autograd.grad(wanted.sum(), w)
    torch.testing.assert_close(first, again.detach())
    torch.testing.assert_close(again, wanted)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
