"""Keeps a shelf of audio feature extractors, and runs all of them through one call.

>>> import modelctl
>>> features = modelctl.extract("librosa", "song.flac")  # doctest: +SKIP
>>> features.values.shape, features.clip.shape  # doctest: +SKIP
((1, 518), (518,))
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelctl.audio import Source
    from modelctl.features import Features
    from modelctl.library import Extraction
    from modelctl.pipeline import Session

__version__ = "0.1.0"

__all__ = ["extract", "extract_library", "open"]


def extract(
    model: str, source: Source, *, level: str = "frames", root: str | Path | None = None, **choices: Any
) -> Features:
    """Return what one model makes of one recording: a path, a file object, or (samples, sample_rate).

    `choices` are `layer`, `engine` and `parameters`, as for `open`; `level` is `frames` or `clip`.
    Raises ModelctlError, whose message names what is wrong and whose `hint` is the next step.
    """
    with open(model, root=root, **choices) as session:
        return session.extract(source).at(level)  # type: ignore[arg-type]


def open(model: str, *, root: str | Path | None = None, **choices: Any) -> Session:  # noqa: A001 - modelctl.open
    """Load a model and keep it warm; use it in a `with` statement, and its `map` for many recordings.

    `layer` is a layer's number or name, `engine` what starts the model, `parameters` a mapping of the family's own.
    """
    from modelctl.pipeline import open_session
    from modelctl.work import open_work

    return open_session(open_work(root=root), model, **choices)


def extract_library(
    models: str | Sequence[str],
    *recordings: str | Path,
    out: str | Path,
    root: str | Path | None = None,
    **choices: Any,
) -> Extraction:
    """Put recordings, and folders of them, through models; features go to `OUT/MODEL/NAME.npz`.

    One that fails is listed in the result's `failed`, and the rest goes on.
    """
    from modelctl import verbs
    from modelctl.work import open_work

    names = [models] if isinstance(models, str) else models
    return verbs.extract(open_work(root=root), [Path(one) for one in recordings], names, Path(out), **choices)
