"""What ``tnconv compress`` does: files in, compressed model and report out."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tnconv.errors import ArgumentError
from tnconv.factor import EVBMF, Energy, Fraction, RelativeError
from tnconv.factor.rank import COSTS, Rank
from tnconv_backends.torch.compress.model import FORMATS, compress
from tnconv_backends.torch.compress.saved import read_tensors, save, write
from tnconv_backends.torch.entry import made

Tensor = torch.Tensor
REPORT = "report.json"


def run(options: argparse.Namespace) -> int:
    """Compress, write everything, print the report; returns the exit code."""
    budget, rank = goal(options)
    sized = options.data or options.input
    if budget is not None and budget.of != "params" and not sized:
        raise ArgumentError(
            f"compress: --{budget.of} goes by the sizes of inputs; give --input (the "
            "shape of a batch, as 8,3,32,32) or --data"
        )
    model = made(options.model, "compress")
    filled(model, options.weights)
    model.eval()
    data = None if options.data is None else batches(options, model)
    example = None if options.input is None else _example(options.input, model)
    names = options.formats.split(",") if options.formats else FORMATS
    small, report = compress(
        model,
        budget=budget,
        rank=rank,
        formats=names,
        data=data,
        example=example,
        round_to=options.round_to,
        slower=options.slower,
        fold_batchnorm=options.fold_batchnorm,
        seed=options.seed,
        inplace=True,
    )
    save(small, options.out)
    text = report.to_json().encode()
    write(options.out / REPORT, lambda path: path.write_bytes(text))
    print(report)
    print(f"\nwritten to {options.out}")
    return 0


def goal(options: argparse.Namespace) -> tuple[Fraction | None, Rank | None]:
    """The budget, or the rank of each layer."""
    if options.rank is not None:
        return None, parsed_rank(options.rank)
    of = next(of for of in COSTS if getattr(options, of) is not None)
    return Fraction(getattr(options, of), of=of), None


def parsed_rank(text: str) -> Rank:
    """A rank from text; raises ArgumentError for what is none.

    >>> parsed_rank("8,16"), parsed_rank("evbmf:0.3")
    ((8, 16), EVBMF(weaken=0.3))
    """
    kind, _, value = text.partition(":")
    try:
        if kind == "evbmf":
            return EVBMF(float(value)) if value else EVBMF()
        if kind == "energy":
            return Energy(float(value))
        if kind == "error":
            return RelativeError(float(value))
        if kind in COSTS:
            return Fraction(float(value), of=kind)
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ArgumentError(
            f"compress: --rank {text!r} is none; give 8, 8,16, evbmf, evbmf:0.3, "
            "energy:0.9, error:0.2, params:0.5, macs:0.5 or seconds:0.5"
        ) from None
    return numbers[0] if len(numbers) == 1 else numbers


def filled(model: nn.Module, path: Path) -> None:
    """Load a state_dict, all of it; from .pth only tensors are read."""
    if path.suffix == ".safetensors":
        state = read_tensors(path)
    else:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except OSError:
            raise
        except Exception as error:  # pickle's errors are of many types
            raise ArgumentError(
                f"compress: {path} is no state_dict of tensors alone ({_held(error)}); "
                "save model.state_dict(), best as .safetensors"
            ) from error
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ArgumentError(
            f"compress: {path} does not fit the model ({error})"
        ) from error


def _held(error: Exception) -> str:
    """What a file holds that is not read, where PyTorch names it; else what it says."""
    text = str(error)
    named = re.search(r"GLOBAL (\S+) was not an allowed global", text)
    return f"it holds {named[1]}" if named else text.partition("\n")[0]


def batches(options: argparse.Namespace, model: nn.Module) -> list[Tensor]:
    """The calibration array in batches, of the model's dtype."""
    if options.batch < 1:
        raise ArgumentError(f"compress: --batch is at least 1, got {options.batch}")
    array = _array(options.data)
    tensor = torch.from_numpy(array)
    wanted = next(iter(_floating(model)), tensor.dtype)
    if tensor.ndim < 1 or not len(tensor):
        raise ArgumentError(f"compress: {options.data} holds no inputs")
    if tensor.is_floating_point() and tensor.dtype != wanted:
        raise ArgumentError(
            f"compress: {options.data} is {tensor.dtype}, the model {wanted}; save the "
            "array in the model's dtype"
        )
    return list(torch.split(tensor, options.batch))


def _array(path: Path) -> Any:
    import numpy as np

    try:
        found = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise ArgumentError(
            f"compress: {path} is no .npy or .npz of numbers ({error})"
        ) from error
    if isinstance(found, np.ndarray):
        return found
    with found:
        if len(found.files) != 1:
            raise ArgumentError(
                f"compress: {path} holds {len(found.files)} arrays "
                f"({', '.join(found.files)}); give one, the inputs"
            )
        return found[found.files[0]]


def _example(text: str, model: nn.Module) -> Tensor:
    try:
        shape = tuple(int(part) for part in text.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise ArgumentError(
            f"compress: --input {text!r} is no shape; give numbers from 1 on, as "
            "8,3,32,32"
        )
    generator = torch.Generator().manual_seed(0)
    dtype = next(iter(_floating(model)), torch.float32)
    return torch.randn(shape, generator=generator).to(dtype)


def _floating(model: nn.Module) -> Iterator[torch.dtype]:
    return (p.dtype for p in model.parameters() if p.is_floating_point())
