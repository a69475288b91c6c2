"""openSMILE's feature sets: functionals of a whole recording, or low-level descriptors every 10 ms.

Parameters: `feature_set`, one of FRAME_SECONDS, and `level`, one of LEVELS.
"""

from __future__ import annotations

import warnings
from typing import Any, Dict

import numpy as np

from modelctl.worker.protocol import BadInput, Embed, Output

FRAME_SECONDS = {"eGeMAPSv02": 0.060, "GeMAPSv01b": 0.060, "ComParE_2016": 0.060, "emobase": 0.040}
"""The longest frame that a row of low-level descriptors saw: the one for pitch. Source: the sets' configuration files.

All frames of a row start together, so columns that need only 20 or 25 ms hear the first part of it. openSMILE's own
end of a row is that of one of the two, which one differs from set to set.
"""
HOP_SECONDS = 0.010
HIGHEST = np.float32(32767 / 32768)
LEVELS = {"functionals": "Functionals", "lld": "LowLevelDescriptors"}


def load(folder: str, parameters: Dict[str, Any]) -> Embed:
    """Return an embed for mono samples at any rate: one row a recording, or one every 10 ms at level lld.

    What lies beyond full scale is clipped: openSMILE computes with 16-bit integers, which would wrap around.
    BadInput for a recording too short for the set.
    """
    import opensmile

    del folder
    level = parameters["level"]
    frame_seconds = FRAME_SECONDS[parameters["feature_set"]]
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet[parameters["feature_set"]],
        feature_level=opensmile.FeatureLevel[LEVELS[level]],
    )

    def embed(samples: np.ndarray, sample_rate: int) -> Output:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Segment too short")  # its NaN are refused below
            table = smile.process_signal(np.clip(samples, -1.0, HIGHEST), sample_rate)
        values = table.to_numpy(np.float32)
        seconds = len(samples) / sample_rate
        if not len(values) or not np.isfinite(values).all():
            raise BadInput(f"{seconds:.3f} s are too short for openSMILE")
        if level == "functionals":
            times = np.array([seconds / 2])
        else:
            times = np.minimum(np.arange(len(values)) * HOP_SECONDS + frame_seconds / 2, seconds)
        return Output(values=values, times=times, names=tuple(table.columns))

    return embed
