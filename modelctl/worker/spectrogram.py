"""Mel spectrograms in numpy: any length of audio, computed a stretch at a time."""

from __future__ import annotations

from typing import Optional

import numpy as np

RATE = 16000
"""Hz, what Musicnn hears."""
HOP = 256
"""Samples from one frame to the next; a frame sees two hops."""
BANDS = 96

_FLOAT16_MAX = 65504.0


def slaney_mel(rate: int, n_fft: int, bands: int, low: float, high: float) -> np.ndarray:
    """Return a bank of triangular mel filters of unit area: float64, (bands, n_fft // 2 + 1).

    Rates and edges in Hz. The scale is linear up to 1 kHz and logarithmic above, as in Slaney's Auditory Toolbox
    (technical report 1998-010, mfcc.m); equal to `librosa.filters.mel`.
    """
    edges = _to_hertz(np.linspace(_to_mel(low), _to_mel(high), bands + 2))
    left, centre, right = edges[:-2, np.newaxis], edges[1:-1, np.newaxis], edges[2:, np.newaxis]
    bins = np.arange(n_fft // 2 + 1) * (rate / n_fft)
    triangles = np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre))
    bank: np.ndarray = np.maximum(triangles, 0) * (2 / (right - left))
    return bank


_LINEAR = 200 / 3
_KNEE = 1000.0
_OCTAVES = 27 / np.log(6.4)


def _to_mel(hertz: float) -> float:
    return float(hertz / _LINEAR if hertz < _KNEE else _KNEE / _LINEAR + np.log(hertz / _KNEE) * _OCTAVES)


def _to_hertz(mels: np.ndarray) -> np.ndarray:
    above = np.maximum(mels - _KNEE / _LINEAR, 0)
    hertz: np.ndarray = np.minimum(mels, _KNEE / _LINEAR) * _LINEAR * np.exp(above / _OCTAVES)
    return hertz


_WINDOW = 0.5 - 0.5 * np.cos(np.pi * np.arange(2 * HOP) / HOP)
_BANK = slaney_mel(RATE, 2 * HOP, BANDS, 0, RATE / 2).T


def frame_count(samples: np.ndarray) -> int:
    """Return how many frames the samples make: frame j is centred on sample 256·j, and the last is within."""
    return 1 + len(samples) // HOP


def log_mel(samples: np.ndarray, first: int = 0, last: Optional[int] = None) -> np.ndarray:
    """Return frames `first` to `last` (exclusive; by default all) of Musicnn's log-mel: float32, (last - first, 96).

    `samples` are mono at 16 kHz, (n,), more than one hop of them. Powers are rounded to float16 as the networks were
    trained, and held below its largest number, so that the loudest audio gives finite values.
    The audio is reflected about both its ends. Memory beyond the result grows with `last - first` alone.
    Source: Musicnn's extractor.py with librosa 0.7 (arXiv:1909.06654, "log-mel spectrograms").
    """
    hops = _reflected(samples, (first - 1) * HOP, (frame_count(samples) if last is None else last) * HOP)
    hops = hops.reshape(-1, HOP)
    # In float64 nothing overflows, and what depends on the frames computed together is too small to change a float16.
    spectrum = np.fft.rfft(np.concatenate([hops[:-1], hops[1:]], axis=1) * _WINDOW)
    power = np.dot(spectrum.real**2 + spectrum.imag**2, _BANK)
    rounded = np.minimum(power, _FLOAT16_MAX).astype(np.float16).astype(np.float32)
    logarithms: np.ndarray = np.log10(np.float32(10000) * rounded + np.float32(1))
    return logarithms


def _reflected(samples: np.ndarray, begin: int, end: int) -> np.ndarray:
    """Return samples[begin:end] as float64, mirrored about the first and the last sample where it runs over."""
    where = np.abs(np.arange(begin, end))
    mirrored = np.minimum(where, 2 * (len(samples) - 1) - where)
    return samples[mirrored].astype(np.float64)  # type: ignore[no-any-return]
