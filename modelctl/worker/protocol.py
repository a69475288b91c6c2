"""What passes between the two halves: samples and parameters in, `Output` out."""

from __future__ import annotations

from typing import Any, Callable, Dict, NamedTuple, Tuple

import numpy as np


class Output(NamedTuple):
    """What a family makes of one recording."""

    values: np.ndarray
    """float32, (frames, dim); families with one vector a recording give one frame."""
    times: np.ndarray
    """float64, (frames,): seconds, the centre of the audio that each frame saw."""
    names: Tuple[str, ...] = ()
    """What each of the dim columns is, where columns have names."""


Embed = Callable[[np.ndarray, int], Output]
"""(samples, sample_rate) -> Output; samples are float32, (n,) for mono input and (n, 2) for stereo."""

Load = Callable[[str, Dict[str, Any]], Embed]
"""(folder of the model on the shelf, parameters) -> Embed; each family module has one such function named `load`.

Parameters hold every key of the manifest's `parameters` and, where the manifest names layers, `layer`.
"""


class BadInput(ValueError):
    """A recording that this family cannot use; the message says why, in plain words."""


class BadWeights(ValueError):
    """Weights that do not fit the family; the message names the file and the tensors."""
