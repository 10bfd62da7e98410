"""A compressed model on disk: weights as safetensors, what they are as JSON.

Nothing is pickled. A file is written beside its place and then moved there, so that it
is whole or not there; what is read is checked before it is used.
"""

from __future__ import annotations

import copy
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tnconv.errors import ArgumentError, MissingDependencyError
from tnconv.factor import FactorizedKernel
from tnconv.factor.spec import KIND as KERNEL
from tnconv_backends.torch.compress.base import FactorizedModule
from tnconv_backends.torch.compress.folding import Folded, folded_at
from tnconv_backends.torch.compress.layers import replaced
from tnconv_backends.torch.compress.modules import FACTORIZED, factorized

Tensor = torch.Tensor
KIND, VERSION = "tnconv compressed model", 1
SPEC, WEIGHTS = "spec.json", "weights.safetensors"
#: a spec above this many bytes is none of ours
LONGEST = 64 << 20


def save(model: nn.Module, folder: str | Path) -> tuple[Path, Path]:
    """Write ``spec.json`` and ``weights.safetensors`` into a folder, made if need be.

    The weights are all parameters and buffers of the model; the spec says which layers
    are factorized and how, and nothing of the others. Returns both paths.

    Raises MissingDependencyError without safetensors.
    """
    store = _safetensors()
    where = Path(folder)
    where.mkdir(parents=True, exist_ok=True)
    kept, aliases = _apart(model.state_dict())
    spec = {
        "kind": KIND,
        "version": VERSION,
        "layers": {
            name: module.kernel.spec()
            for name, module in model.named_modules()
            if isinstance(module, FactorizedModule)
        },
        "folded": [
            [module.into, name]
            for name, module in model.named_modules()
            if isinstance(module, Folded)
        ],
        "aliases": aliases,
    }
    text = json.dumps(spec, indent=1).encode()
    write(where / WEIGHTS, lambda path: store.save_file(kept, path))
    write(where / SPEC, lambda path: path.write_bytes(text))
    return where / SPEC, where / WEIGHTS


def load(
    model: nn.Module,
    spec: str | Path | Mapping[str, Any],
    weights: str | Path | Mapping[str, Tensor],
    *,
    inplace: bool = False,
) -> nn.Module:
    """The compressed model from the original one's code; nothing is decomposed.

    Args:
        model: the model as it was before :func:`compress`, with any weights, of the
            dtype that was saved; copied unless ``inplace``.
        spec: the path of ``spec.json``, or what it holds.
        weights: the path of ``weights.safetensors``, or tensors by name.

    Returns:
        The model with factorized layers and the saved weights.

    Raises:
        ArgumentError: files that are damaged, or do not fit the model or each other.
        MissingDependencyError: a path of weights without safetensors.
    """
    found = read_spec(spec)
    tensors = _given(weights)
    result = model if inplace else copy.deepcopy(model)
    for pair in found["folded"]:
        folded_at(result, *pair)
    new = {
        name: _layer(result, name, one, tensors)
        for name, one in found["layers"].items()
    }
    result = replaced(result, new)
    for name, source in found["aliases"].items():
        if source not in tensors:
            raise _error(f"{name!r} is an alias of {source!r}, which is not there")
        tensors[name] = tensors[source]
    _fill(result, tensors)
    return result


def write(path: Path, make: Callable[[Path], Any]) -> None:
    """Write a file beside its place, then move it there."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        make(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, on the CPU."""
    store = _safetensors()
    try:
        return dict(store.load_file(path))
    except OSError:
        raise
    except Exception as error:  # the library's own type is not public
        raise _error(f"{path} is no safetensors file ({error})") from error


def read_spec(spec: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    """A spec, checked as far as it can be without the model."""
    found: Any = spec
    if not isinstance(spec, Mapping):
        path = Path(spec)
        if path.stat().st_size > LONGEST:
            raise _error(f"{path} has more than {LONGEST >> 20} MiB")
        try:
            found = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise _error(f"{path} is no JSON ({error})") from error
    if not isinstance(found, Mapping) or found.get("kind") != KIND:
        raise _error("the spec is none of a compressed model")
    if found.get("version") != VERSION:
        raise _error(f"version is {found.get('version')!r:.20}, known is {VERSION}")
    fields = {"kind", "version", "layers", "folded", "aliases"}
    if set(found) != fields:
        odd = ", ".join(sorted(map(str, set(found) ^ fields)))
        raise _error(f"fields are missing or unknown: {odd}")
    layers, aliases, folded = (found[name] for name in ("layers", "aliases", "folded"))
    if not _by_name(layers, Mapping) or not _by_name(aliases, str):
        raise _error("layers or aliases are no mappings of names")
    if not isinstance(folded, list) or not all(_is_pair(pair) for pair in folded):
        raise _error("folded is no list of pairs of names")
    return dict(found)


def _layer(
    model: nn.Module, name: str, spec: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> FactorizedModule:
    """A factorized layer in the place of the dense one, with factors that are there."""
    try:
        layer: Any = model.get_submodule(name)
    except AttributeError:
        raise _error(f"the model has no layer {name!r}") from None
    if type(layer) not in FACTORIZED:
        raise _error(f"layer {name!r} of the model is a {type(layer).__name__}")
    if spec.get("kind") != KERNEL:
        raise _error(f"layer {name!r} has no kernel")
    start = f"{name}.factor_" if name else "factor_"
    own = {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
    for part, tensor in own.items():
        if tensor.dtype != layer.weight.dtype:
            raise _error(
                f"factor {part!r} of layer {name!r} is {tensor.dtype}, the model "
                f"{layer.weight.dtype}; convert the model first"
            )
    placed = {part: tensor.to(layer.weight.device) for part, tensor in own.items()}
    try:
        kernel = FactorizedKernel.from_spec(spec, placed)
        return factorized(layer, kernel)
    except ArgumentError as error:
        raise _error(f"layer {name!r}: {error}") from error


def _fill(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load all tensors, each of the shape and dtype that the model has."""
    wanted = model.state_dict()
    if odd := sorted(set(wanted) ^ set(tensors)):
        raise _error(f"tensors are missing or unknown: {', '.join(odd[:8])}")
    for name, tensor in tensors.items():
        facts = (tuple(tensor.shape), tensor.dtype)
        own = (tuple(wanted[name].shape), wanted[name].dtype)
        if facts != own:
            raise _error(f"tensor {name!r} is {facts}, the model has {own}")
    model.load_state_dict(tensors)


def _apart(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors that share no memory, and the names of those that are another's."""
    kept: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    seen: dict[tuple[Any, ...], str] = {}
    for name, tensor in state.items():
        key = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        if tensor.numel() and key in seen:
            aliases[name] = seen[key]
        else:
            seen[key] = name
            kept[name] = tensor.detach().clone().contiguous()
    return kept, aliases


def _given(weights: str | Path | Mapping[str, Tensor]) -> dict[str, Tensor]:
    if isinstance(weights, Mapping):
        return dict(weights)
    return read_tensors(weights)


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError:
        raise MissingDependencyError(
            'weights are kept as safetensors; pip install "tnconv[compress]"'
        ) from None
    return safetensors.torch


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _by_name(value: Any, kind: type) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(k, str) and isinstance(v, kind) for k, v in value.items()
    )


def _is_pair(value: Any) -> bool:
    pair = isinstance(value, (list, tuple)) and len(value) == 2
    return pair and all(isinstance(name, str) for name in value)


def _error(fact: str) -> ArgumentError:
    return ArgumentError(f"load: {fact}; the files are damaged or of another model")
