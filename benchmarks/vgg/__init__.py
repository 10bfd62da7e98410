"""A small VGG, trained from scratch, compressed, and trained on.

``train`` and ``time`` write a file each into ``benchmarks/results/vgg``, from which
``page`` writes ``docs/vgg.md``.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

HELP = "a small VGG: train it, compress it, train on, and write docs/vgg.md"
RESULTS = Path(__file__).parents[1] / "results" / "vgg"
PARTS = ("train", "time", "page")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", type=Path, default=RESULTS, help="a folder")
    parser.add_argument("--out", type=Path, help="the page (page)")
    parser.add_argument("--seeds", type=int, default=5, help="how many (train)")
    parser.add_argument("--epochs", type=int, default=16, help="from scratch")
    parser.add_argument("--more", type=int, default=3, help="epochs after (train)")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="timing of a model (time)"
    )


def main(options: argparse.Namespace) -> int:
    """Run one part."""
    options.results.mkdir(parents=True, exist_ok=True)
    module = import_module(f"benchmarks.vgg.{options.part}")
    return int(module.main(options))
