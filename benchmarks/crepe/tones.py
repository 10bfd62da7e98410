"""Exactly labelled tones: what pitch a frame has at its middle."""

from __future__ import annotations

import torch

from benchmarks.crepe.network import FRAME, RATE

Tensor = torch.Tensor
#: signal to noise, in dB: with it the dense network is right on 90 to 97 of 100 frames
NOISE = -2.0


def tones(count: int, seed: int, noise: float = NOISE) -> tuple[Tensor, Tensor]:
    """Frames (count, 1, 1024), each of mean 0 and deviation 1, and their pitch in Hz.

    Pitch is log-uniform in 50 to 1500 Hz; harmonics fall off by 0 to 12 dB an octave;
    vibrato is of 4 to 7 Hz and up to 50 cents; noise is white.
    """
    rng = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand((count, 1), generator=rng)

    pitch = 50 * 30 ** uniform(0, 1)
    time = (torch.arange(FRAME) - FRAME / 2) / RATE
    speed, depth, start = uniform(4, 7), uniform(0, 50), uniform(0, 2 * torch.pi)
    bend = torch.sin(2 * torch.pi * speed * time + start)
    cents = depth * (bend - torch.sin(start))  # none at the middle
    phase = 2 * torch.pi * torch.cumsum(pitch * 2 ** (cents / 1200), 1) / RATE
    tilt = uniform(0, 12) / 6.02
    signal = torch.zeros(count, FRAME)
    for k in range(1, 41):
        audible = (k * pitch < RATE / 2).float() * k**-tilt
        signal += audible * torch.sin(k * phase + uniform(0, 2 * torch.pi))
    power = signal.square().mean(1, keepdim=True)
    hiss = torch.randn((count, FRAME), generator=rng) * power.sqrt()
    frames = signal + hiss * 10 ** (-noise / 20)
    frames = frames - frames.mean(1, keepdim=True)
    frames = frames / frames.std(1, keepdim=True)
    return frames[:, None], pitch[:, 0]
