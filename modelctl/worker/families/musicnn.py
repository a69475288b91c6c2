"""Musicnn: tags of music every three seconds, and the layers below them, from checkpoints converted to safetensors.

Parameters: `checkpoint`, one of CHECKPOINTS, and `layer`, one of what LAYERS holds for its architecture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Tuple

import numpy as np

from modelctl.worker import musicnn_tags
from modelctl.worker.protocol import BadInput, BadWeights, Embed, Output
from modelctl.worker.spectrogram import BANDS, HOP, RATE, frame_count, log_mel

if TYPE_CHECKING:
    from torch import Tensor

WINDOW = 187
"""Frames that a network sees at once; the next window starts where the last one ends, a shorter rest is left out."""
SHORTEST = (WINDOW - 1) * HOP
"""Samples; fewer do not make one window."""

CHECKPOINTS = ("MTT_musicnn", "MSD_musicnn", "MTT_vgg", "MSD_vgg")
_TAGS = {"MTT": musicnn_tags.MTT, "MSD": musicnn_tags.MSD}
_BATCH = 8
_MOST_NAMED = 6


class Layer(NamedTuple):
    """What a layer gives for one window."""

    rows: int
    dim: int
    centre: float
    """The frame of the window that the first row is centred on."""
    step: int
    """Frames from one row to the next."""


def _whole(dim: int) -> Layer:
    return Layer(1, dim, (WINDOW - 1) / 2, WINDOW)


LAYERS = {
    "musicnn": {
        "taggram": _whole(50),
        "timbral": Layer(WINDOW, 408, 0, 1),
        "temporal": Layer(WINDOW, 153, 0, 1),
        "cnn1": Layer(WINDOW, 64, 0, 1),
        "cnn2": Layer(WINDOW, 64, 0, 1),
        "cnn3": Layer(WINDOW, 64, 0, 1),
        "mean_pool": _whole(753),
        "max_pool": _whole(753),
        "penultimate": _whole(200),
    },
    "vgg": {
        "taggram": _whole(50),
        "pool1": Layer(92, 48 * 128, 1.5, 2),
        "pool2": Layer(46, 24 * 128, 2.5, 4),
        "pool3": Layer(23, 12 * 128, 4.5, 8),
        "pool4": Layer(11, 6 * 128, 8.5, 16),
        "pool5": Layer(2, 128, 32.5, 64),
    },
}


def load(folder: str, parameters: Dict[str, Any]) -> Embed:
    """Return what turns mono samples at 16 kHz, (n,), into the values of `parameters["layer"]`.

    Values are float32, (windows · rows, dim), with rows and dim as in LAYERS; a pool of the vgg networks holds band
    after band, each with 128 filters. Times are in seconds, the centre of the frames that a row pools (for what has
    one row: the middle of the window). Names are the 50 tags for `taggram`.

    Raises ValueError for an unknown checkpoint or a layer that it lacks, and BadWeights where
    `<folder>/<checkpoint>.safetensors` does not hold exactly its tensors. What is returned raises BadInput for fewer
    than 47,616 samples, another rate, and samples that are no finite numbers.
    Source: arXiv:1909.06654 and musicnn's extractor.py, which repeats the first window's cnn1 to cnn3 and
    penultimate; here every window has its own.
    """
    import torch

    from modelctl.worker.musicnn_network import NETWORKS, Weights

    checkpoint, name = parameters["checkpoint"], parameters["layer"]
    layer = _layer(checkpoint, name)
    dataset, architecture = checkpoint.split("_")
    names = _TAGS[dataset] if name == "taggram" else ()
    network = NETWORKS[architecture]
    weights = Weights(_tensors(Path(folder) / (checkpoint + ".safetensors"), network.shapes))

    def embed(samples: np.ndarray, sample_rate: int) -> Output:
        _check(samples, sample_rate)
        windows = frame_count(samples) // WINDOW
        values = np.empty((windows, layer.rows, layer.dim), np.float32)
        for first in range(0, windows, _BATCH):
            last = min(first + _BATCH, windows)
            heard = log_mel(samples, first * WINDOW, last * WINDOW).reshape(-1, WINDOW, BANDS)
            with torch.inference_mode():
                layers = network.layers(weights, torch.from_numpy(heard))
                values[first:last] = next(found for known, found in layers if known == name)
        return Output(values.reshape(-1, layer.dim), _times(windows, layer), names)

    return embed


def _layer(checkpoint: str, name: str) -> Layer:
    if checkpoint not in CHECKPOINTS:
        raise ValueError(f"musicnn has no checkpoint {checkpoint!r}; it has {', '.join(CHECKPOINTS)}")
    layers = LAYERS[checkpoint.split("_")[1]]
    if name not in layers:
        raise ValueError(f"{checkpoint} has no layer {name!r}; it has {', '.join(layers)}")
    return layers[name]


def _check(samples: np.ndarray, sample_rate: int) -> None:
    if sample_rate != RATE:
        raise BadInput(f"Musicnn hears {RATE} Hz, and this recording comes at {sample_rate} Hz")
    if len(samples) < SHORTEST:
        needed = f"{SHORTEST} samples at {RATE} Hz ({SHORTEST / RATE:.3f} s)"
        raise BadInput(f"the recording is too short: Musicnn needs {needed}, and it has {len(samples)}")
    if not np.isfinite(samples).all():
        raise BadInput("the recording holds samples that are not finite numbers")


def _times(windows: int, layer: Layer) -> np.ndarray:
    starts = np.arange(windows)[:, np.newaxis] * WINDOW
    return (starts + layer.centre + layer.step * np.arange(layer.rows)).reshape(-1) * HOP / RATE


def _tensors(path: Path, shapes: Dict[str, Tuple[int, ...]]) -> Dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load as parse

    try:
        tensors: Dict[str, Tensor] = parse(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise BadWeights(f"{path}: cannot be read as safetensors: {error}") from error
    faults = _faults(tensors, shapes)
    if faults:
        more = f", and {len(faults) - _MOST_NAMED} more" if len(faults) > _MOST_NAMED else ""
        raise BadWeights(f"{path}: not this checkpoint: {', '.join(faults[:_MOST_NAMED])}{more}")
    return tensors


def _faults(tensors: Dict[str, Tensor], shapes: Dict[str, Tuple[int, ...]]) -> List[str]:
    faults = [f"{name} is missing" for name in shapes if name not in tensors]
    faults += [f"{name} is not expected" for name in tensors if name not in shapes]
    for name in sorted(set(shapes) & set(tensors)):
        kind, shape = str(tensors[name].dtype), tuple(tensors[name].shape)
        if (kind, shape) != ("torch.float32", shapes[name]):
            faults.append(f"{name} is {kind} {shape} instead of torch.float32 {shapes[name]}")
    return faults
