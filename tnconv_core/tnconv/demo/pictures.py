"""Pictures in and out: photographs, orientation maps, signed channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tnconv.demo.filters import Array
from tnconv.errors import ArgumentError, MissingDependencyError

#: larger photographs are made smaller, so that the demo stays a matter of seconds
LONGEST_SIDE = 1024
SHORTEST_SIDE = 16


def load(path: Path | None, dtype: str = "float32") -> Array:
    """A photograph as an array (3, height, width) of values from 0 to 1.

    Without a path it is the portrait of Grace Hopper that Matplotlib ships. Raises
    :class:`~tnconv.errors.ArgumentError` where the file is no picture or too small.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise _missing("pillow") from error
    path = _sample() if path is None else path
    try:
        with Image.open(path) as file:
            image = file.convert("RGB")
    except OSError as error:
        reason = error.strerror or "it is not a picture that can be read"
        raise ArgumentError(f"demo: cannot open {path}: {reason}") from error
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    if min(image.size) < SHORTEST_SIDE:
        raise ArgumentError(
            f"demo: {path} has {image.size[0]} x {image.size[1]} pixels at the size "
            f"used; take a picture of at least {SHORTEST_SIDE} x {SHORTEST_SIDE}"
        )
    values = np.asarray(image, dtype) / np.asarray(255, dtype)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def save_photo(photo: Array, path: Path) -> None:
    """Write a photograph (3, height, width) as it is."""
    _save(photo.transpose(1, 2, 0), path)


def save_orientations(responses: Array, path: Path) -> None:
    """Write responses (orientations, height, width), the color telling which is most.

    Hue is the orientation of the strongest response, brightness its strength.
    """
    from matplotlib.colors import hsv_to_rgb

    strength = np.abs(responses)
    hue = strength.argmax(0) / strength.shape[0]
    value = _bright(strength.max(0))
    _save(hsv_to_rgb(np.stack([hue, np.full_like(hue, 0.9), value], -1)), path)


def save_channels(channels: Array, path: Path) -> None:
    """Write signed channels (channels, height, width) side by side, 0 as gray."""
    signed = np.sign(channels) * _bright(np.abs(channels))
    gray = (1 + np.concatenate(list(signed), axis=1)) / 2
    _save(np.repeat(gray[..., None], 3, axis=-1), path)


def _bright(strength: Array) -> Array:
    """Strength from 0 to 1, the top percent saturated and faint values lifted."""
    top = max(float(np.quantile(strength, 0.99)), 1e-12)
    return np.asarray(np.sqrt(np.clip(strength / top, 0, 1)))


def _save(rgb: Array, path: Path) -> None:
    from PIL import Image

    values = np.round(np.clip(rgb, 0, 1) * 255).astype("uint8")
    Image.fromarray(values).save(path)


def _sample() -> Path:
    try:
        from matplotlib.cbook import get_sample_data
    except ImportError as error:
        raise _missing("matplotlib") from error
    return Path(str(get_sample_data("grace_hopper.jpg", asfileobj=False)))


def _missing(package: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"demo: it needs {package} (the extra demo); pip install {package}"
    )
