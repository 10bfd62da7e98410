"""Tensor dropout: training by sampled gradients, and how fast they are on real layers.

Each part writes a file into ``benchmarks/results/dropout``, from which ``page`` writes
``docs/dropout.md`` and its picture.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

HELP = "tensor dropout: train with it, time it, and write docs/dropout.md"
RESULTS = Path(__file__).parents[1] / "results" / "dropout"
PARTS = ("train", "error", "layers", "page")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", type=Path, default=RESULTS, help="a folder")
    parser.add_argument("--out", type=Path, help="the page (page)")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each (train)")
    parser.add_argument("--epochs", type=int, default=8, help="of each run (train)")
    parser.add_argument("--batch", type=int, default=8, help="examples (layers)")
    parser.add_argument("--only", default="", help="a part of a layer's name (layers)")
    parser.add_argument(
        "--seconds", type=float, default=100, help="then stop, to go on another time"
    )
    parser.add_argument(
        "--least", type=float, default=2, help="of the exact gradient, ms (layers)"
    )


def main(options: argparse.Namespace) -> int:
    """Run one part."""
    options.results.mkdir(parents=True, exist_ok=True)
    module = import_module(f"benchmarks.dropout.{options.part}")
    return int(module.main(options))
