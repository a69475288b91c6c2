"""Musicnn's two networks, computed from the tensors of a checkpoint; imports torch, so `load` imports it.

Each network is a generator: it yields its layers by name, in the order in which they are computed, so that who stops
at the layer asked for pays for no later one. Source: Pons and Serra, arXiv:1909.06654, and musicnn's models.py.
"""

from __future__ import annotations

from typing import Callable, Dict, Iterator, NamedTuple, Tuple

import torch
from torch import Tensor
from torch.nn import functional

Shape = Tuple[int, ...]
Layers = Iterator[Tuple[str, Tensor]]
"""(name, values), the values (n, rows, dim): rows run over the time of a window."""

_EPSILON = 1e-3
_VGG_POOLS = (((4, 1), 2), ((2, 2), 2), ((2, 2), 2), ((2, 2), 2), ((4, 4), 4))
"""((frames, bands) pooled, stride) after each convolution."""


class Weights:
    """The tensors of one checkpoint, under TensorFlow's names, and the ways in which both networks use them."""

    def __init__(self, tensors: Dict[str, Tensor]) -> None:
        self._tensors = tensors

    def normalise(self, x: Tensor, norm: int) -> Tensor:
        """Normalise (n, channels, …) by the statistics of training."""
        kinds = ("moving_mean", "moving_variance", "gamma", "beta")
        mean, variance, gamma, beta = (self._tensors[_norm(norm, kind)] for kind in kinds)
        return functional.batch_norm(x, mean, variance, gamma, beta, eps=_EPSILON)

    def convolve(self, x: Tensor, name: str, norm: int, bands: int = 0) -> Tensor:
        """Convolve (n, in, frames, bands), keeping the frames and padding `bands`; then ReLU and normalise."""
        kernel, bias = self._tensors[f"{name}/kernel"], self._tensors[f"{name}/bias"]
        # TensorFlow pads an even kernel with the odd frame at the end.
        x = functional.pad(x, (bands, bands, (len(kernel) - 1) // 2, len(kernel) // 2))
        return self.normalise(functional.conv2d(x, kernel.permute(3, 2, 0, 1), bias).relu_(), norm)

    def peaks(self, x: Tensor, number: int) -> Tensor:
        """Convolve (n, frames, bands) and keep each filter's highest value over the bands: (n, frames, filters)."""
        name = f"conv2d_{number}" if number else "conv2d"
        return self.convolve(x[:, None], name, number + 1).amax(3).transpose(1, 2)

    def dense(self, x: Tensor, name: str) -> Tensor:
        """Weigh and add up: (n, in) to (n, out)."""
        return functional.linear(x, self._tensors[f"{name}/kernel"].T, self._tensors[f"{name}/bias"])


def musicnn(weights: Weights, windows: Tensor) -> Layers:
    """Yield the layers for log-mel windows (n, 187, 96): two kinds of filters, three convolutions, two pools, tags."""
    heard = weights.normalise(windows[:, None], 0)[:, 0]
    temporal = torch.cat([weights.peaks(heard, number) for number in (2, 3, 4)], dim=2)
    yield "temporal", temporal
    timbral = torch.cat([weights.peaks(heard, number) for number in (0, 1)], dim=2)
    yield "timbral", timbral
    front = torch.cat([timbral, temporal], dim=2)
    cnn1 = weights.peaks(front, 5)
    yield "cnn1", cnn1
    cnn2 = weights.peaks(cnn1, 6) + cnn1
    yield "cnn2", cnn2
    cnn3 = weights.peaks(cnn2, 7) + cnn2
    yield "cnn3", cnn3
    every = torch.cat([front, cnn1, cnn2, cnn3], dim=2)
    max_pool, mean_pool = every.amax(1), every.mean(1)
    yield "max_pool", max_pool[:, None]
    yield "mean_pool", mean_pool[:, None]
    # The trained weights expect the pools interleaved: maximum and mean of the first filter, of the second, …
    pooled = weights.normalise(torch.stack([max_pool, mean_pool], dim=2).flatten(1), 9)
    penultimate = weights.normalise(weights.dense(pooled, "dense").relu_(), 10)
    yield "penultimate", penultimate[:, None]
    yield "taggram", weights.dense(penultimate, "dense_1").sigmoid()[:, None]


def vgg(weights: Weights, windows: Tensor) -> Layers:
    """Yield the layers for log-mel windows (n, 187, 96): five convolutions, each pooled, and tags.

    A row of a pool holds its bands one after the other, each with its 128 filters.
    """
    x = weights.normalise(windows[:, None], 0)
    for number, (size, stride) in enumerate(_VGG_POOLS, start=1):
        x = functional.max_pool2d(weights.convolve(x, f"{number}CNN", number, bands=1), size, stride)
        yield f"pool{number}", x.permute(0, 2, 3, 1).flatten(2)
    yield "taggram", weights.dense(x.permute(0, 2, 3, 1).flatten(1), "dense").sigmoid()[:, None]


def _norm(number: int, kind: str) -> str:
    return f"batch_normalization_{number}/{kind}" if number else f"batch_normalization/{kind}"


def _shapes(kernels: Dict[str, Shape], norms: Tuple[int, ...]) -> Dict[str, Shape]:
    shapes = {f"{name}/kernel": shape for name, shape in kernels.items()}
    shapes.update({f"{name}/bias": shape[-1:] for name, shape in kernels.items()})
    for kind in ("gamma", "beta", "moving_mean", "moving_variance"):
        shapes.update({_norm(number, kind): (channels,) for number, channels in enumerate(norms)})
    return shapes


class Network(NamedTuple):
    """A network, and every tensor that its checkpoint must hold, with its shape."""

    layers: Callable[[Weights, Tensor], Layers]
    shapes: Dict[str, Shape]


_MUSICNN_KERNELS: Dict[str, Shape] = {
    "conv2d": (7, 38, 1, 204),
    "conv2d_1": (7, 67, 1, 204),
    "conv2d_2": (128, 1, 1, 51),
    "conv2d_3": (64, 1, 1, 51),
    "conv2d_4": (32, 1, 1, 51),
    "conv2d_5": (7, 561, 1, 64),
    "conv2d_6": (7, 64, 1, 64),
    "conv2d_7": (7, 64, 1, 64),
    "dense": (1506, 200),
    "dense_1": (200, 50),
}
_VGG_KERNELS: Dict[str, Shape] = {
    "1CNN": (3, 3, 1, 128),
    "2CNN": (3, 3, 128, 128),
    "3CNN": (3, 3, 128, 128),
    "4CNN": (3, 3, 128, 128),
    "5CNN": (3, 3, 128, 128),
    "dense": (256, 50),
}
NETWORKS = {
    "musicnn": Network(musicnn, _shapes(_MUSICNN_KERNELS, (1, 204, 204, 51, 51, 51, 64, 64, 64, 1506, 200))),
    "vgg": Network(vgg, _shapes(_VGG_KERNELS, (1, 128, 128, 128, 128, 128))),
}
