"""Statistics of librosa's features over a whole recording, in two layouts.

Parameter `layout`:

fma: the 518 columns of the FMA dataset's features.csv, in its order and by its recipe, so that values can be laid
    beside published ones. The recipe leaves librosa's default of 22,050 Hz in place for `chroma_stft` and the five
    `spectral_*` rows whatever the recording's rate: at 44.1 kHz their frequencies read half of what they are. `rmse`
    is the root mean square of the spectrum's magnitudes, as librosa had it then. Source: features.py of
    github.com/mdeff/fma.
compact: mean and deviation of 51 rows, and the tempo; frequencies in Hz.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import warnings
from importlib.util import find_spec
from typing import Any, Callable, Dict, Iterator, List, Tuple

import numpy as np

from modelctl.worker.protocol import BadInput, Embed, Output

HOP = 512
WINDOW = 2048
CHROMA: Dict[str, Any] = {"n_chroma": 12, "bins_per_octave": 12, "n_octaves": 7}

Rows = Dict[str, np.ndarray]
"""Each feature with its values over time: (how many, frames)."""


def load(folder: str, parameters: Dict[str, Any]) -> Embed:
    """Return an embed for mono samples at any rate from 8.3 kHz (fma) or 12.8 kHz (compact): one row a recording.

    BadInput for a rate too low, or a recording that librosa refuses.
    """
    _let_numba_cache()
    import librosa
    import scipy.stats  # noqa: F401 - a recording should not wait for it

    del folder
    layout = LAYOUTS[parameters["layout"]]

    def embed(samples: np.ndarray, sample_rate: int) -> Output:
        try:
            with warnings.catch_warnings():
                _silence_what_is_understood()
                named = list(layout(samples, sample_rate))
        except librosa.ParameterError as error:
            raise BadInput(f"librosa refuses {len(samples)} samples at {sample_rate} Hz: {error}") from error
        return Output(
            values=np.array([[value for _, value in named]], np.float32),
            times=np.array([len(samples) / sample_rate / 2]),
            names=tuple(name for name, _ in named),
        )

    return embed


def _silence_what_is_understood() -> None:
    # The lowest octaves of a short recording, brought to their own rate, are shorter than a window: zeros fill it.
    warnings.filterwarnings("ignore", message="n_fft=", module="librosa")
    # From 96 kHz on, the lowest mel bands fall between two bins and stay empty.
    warnings.filterwarnings("ignore", message="Empty filters detected", module="librosa")
    # Without any pitch the tuning is taken as 440 Hz, which is as good as another.
    warnings.filterwarnings("ignore", message="Trying to estimate tuning", module="librosa")
    # Rows that hardly vary; where nothing is left to divide by, they get 0 below.
    warnings.filterwarnings("ignore", message="Precision loss occurred", module="modelctl")


def _fma(samples: np.ndarray, sample_rate: int) -> Iterator[Tuple[str, float]]:
    rows = _fma_rows(samples, sample_rate)
    for feature in sorted(rows):
        statistics = _statistics(rows[feature])
        for statistic in sorted(statistics):
            yield from _named(feature, statistic, statistics[statistic])


def _fma_rows(samples: np.ndarray, sample_rate: int) -> Rows:
    from librosa import cqt, feature, power_to_db, stft

    tones = np.abs(cqt(samples, sr=sample_rate, hop_length=HOP, n_bins=84, bins_per_octave=12, tuning=None))
    cens = feature.chroma_cens(C=tones, **CHROMA)
    spectrum = np.abs(stft(samples, n_fft=WINDOW, hop_length=HOP))
    power = spectrum**2
    mel = feature.melspectrogram(sr=sample_rate, S=power)
    return {
        "chroma_cens": cens,
        "chroma_cqt": feature.chroma_cqt(C=tones, **CHROMA),
        "chroma_stft": feature.chroma_stft(S=power, n_chroma=12),
        "mfcc": feature.mfcc(S=power_to_db(mel), n_mfcc=20),
        "rmse": np.sqrt(power.mean(axis=0, keepdims=True)),
        "spectral_bandwidth": feature.spectral_bandwidth(S=spectrum),
        "spectral_centroid": feature.spectral_centroid(S=spectrum),
        "spectral_contrast": feature.spectral_contrast(S=spectrum, n_bands=6),
        "spectral_rolloff": feature.spectral_rolloff(S=spectrum),
        "tonnetz": feature.tonnetz(chroma=cens),
        "zcr": feature.zero_crossing_rate(samples, frame_length=WINDOW, hop_length=HOP),
    }


def _statistics(rows: np.ndarray) -> Rows:
    """Return (how many,) for each of FMA's seven statistics; skewness and kurtosis of a constant row are 0."""
    from scipy import stats

    rows = rows.astype(np.float64)
    return {
        "mean": rows.mean(axis=1),
        "std": rows.std(axis=1),
        "skew": np.nan_to_num(stats.skew(rows, axis=1)),
        "kurtosis": np.nan_to_num(stats.kurtosis(rows, axis=1)),
        "median": np.median(rows, axis=1),
        "min": rows.min(axis=1),
        "max": rows.max(axis=1),
    }


def _compact(samples: np.ndarray, sample_rate: int) -> Iterator[Tuple[str, float]]:
    from librosa import feature

    for name, rows in _compact_rows(samples, sample_rate).items():
        yield from _named(name, "mean", rows.mean(axis=1, dtype=np.float64))
        yield from _named(name, "std", rows.std(axis=1, dtype=np.float64))
    yield "tempo", float(feature.tempo(y=samples, sr=sample_rate)[0])


def _compact_rows(samples: np.ndarray, sample_rate: int) -> Rows:
    from librosa import feature, power_to_db, stft

    spectrum = np.abs(stft(samples, n_fft=WINDOW, hop_length=HOP))
    power = spectrum**2
    mel = feature.melspectrogram(sr=sample_rate, S=power)
    return {
        "mfcc": feature.mfcc(S=power_to_db(mel), n_mfcc=20),
        "chroma_stft": feature.chroma_stft(S=power, sr=sample_rate),
        "spectral_contrast": feature.spectral_contrast(S=spectrum, sr=sample_rate),
        "tonnetz": feature.tonnetz(y=samples, sr=sample_rate),
        "spectral_centroid": feature.spectral_centroid(S=spectrum, sr=sample_rate),
        "spectral_bandwidth": feature.spectral_bandwidth(S=spectrum, sr=sample_rate),
        "spectral_rolloff": feature.spectral_rolloff(S=spectrum, sr=sample_rate),
        "spectral_flatness": feature.spectral_flatness(S=spectrum),
        "zcr": feature.zero_crossing_rate(samples, frame_length=WINDOW, hop_length=HOP),
        "rms": feature.rms(S=spectrum),
    }


def _named(feature: str, statistic: str, values: np.ndarray) -> List[Tuple[str, float]]:
    return [(f"{feature}.{number:02d}.{statistic}", float(value)) for number, value in enumerate(values, start=1)]


LAYOUTS: Dict[str, Callable[[np.ndarray, int], Iterator[Tuple[str, float]]]] = {"fma": _fma, "compact": _compact}


def _let_numba_cache() -> None:
    """Give numba a folder where it may write: without one, importing librosa fails."""
    found = find_spec("librosa")
    places = [os.path.expanduser("~"), *(found.submodule_search_locations or () if found else ())]  # noqa: PTH111
    if "NUMBA_CACHE_DIR" in os.environ or any(os.access(place, os.W_OK) for place in places):
        return
    folder = tempfile.mkdtemp(prefix="modelctl-numba-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = folder
