"""Recordings through models: each decoded once, however many models hear it."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from modelctl import audio
from modelctl.assess import USABLE
from modelctl.environments import host
from modelctl.errors import (
    AudioError,
    IntegrityFailure,
    ModelctlError,
    NotReady,
    UsageError,
    did_you_mean,
)
from modelctl.features import Features
from modelctl.model import Model
from modelctl.parameters import settle
from modelctl.store import digest
from modelctl.work import Work

if TYPE_CHECKING:
    from modelctl.worker.protocol import Embed, Output

ENGINES = {"host": host.start}


@dataclass(slots=True)
class Session:
    """One model, loaded and kept warm."""

    model: Model
    engine: str
    parameters: Mapping[str, Any]
    weights: Mapping[str, str]
    """sha256 of each weights file, by its path below the model's location."""
    embed: Embed = field(repr=False)

    @property
    def form(self) -> audio.Form:
        """The rate and channels that the model hears."""
        return audio.Form(self.model.input.sample_rate, self.model.input.channels)

    def extract(self, source: audio.Source) -> Features:
        """Return the features of one recording: a path, a file object, or (samples, sample_rate)."""
        return self.hear(audio.decode(source, [self.form]))

    def map(self, sources: Iterable[audio.Source]) -> Iterator[Features]:
        """Yield the features of one recording after another."""
        return (self.extract(source) for source in sources)

    def hear(self, recording: audio.Recording) -> Features:
        """Return the features of a recording decoded in this session's form.

        Raises AudioError where the model cannot use the recording, ModelctlError where what it gave is no features.
        """
        from modelctl.worker.protocol import BadInput, BadWeights

        samples = recording.samples[self.form]
        rate = self.form.sample_rate or recording.sample_rate
        if len(samples) < self.model.input.min_samples:
            needed = self.model.input.min_samples / rate
            raise AudioError(
                f"{recording.name}: {len(samples) / rate:.3f} s, and {self.model.name} needs {needed:.3f} s",
                hint="leave it out, or choose another model",
            )
        if not samples.any():
            raise AudioError(
                f"{recording.name}: its channels cancel each other out when mixed", hint="mix it otherwise"
            )
        try:
            output = self.embed(samples, rate)
        except BadInput as error:
            raise AudioError(
                f"{recording.name}: {self.model.name}: {error}", hint="leave it out, or choose another model"
            ) from error
        except BadWeights as error:
            raise IntegrityFailure(f"{self.model.name}: {error}", hint="modelctl doctor") from error
        return self._features(recording, _checked(output, self.model))

    def close(self) -> None:
        """Let go of the model."""
        self.embed = _closed

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the model."""
        self.close()

    def _features(self, recording: audio.Recording, output: Output) -> Features:
        import numpy as np

        clip = output.values.mean(axis=0, dtype=np.float64).astype(np.float32)
        return Features(
            values=output.values,
            times=output.times,
            clip=clip,
            names=output.names,
            provenance=self._provenance(recording),
        )

    def _provenance(self, recording: audio.Recording) -> dict[str, Any]:
        heard = {
            "name": recording.name,
            "sha256": recording.digest,
            "sample_rate": recording.sample_rate,
            "channels": recording.channels,
            "seconds": recording.seconds,
            "warnings": list(recording.warnings),
        }
        parameters = dict(self.parameters)
        return {
            "model": self.model.name,
            "family": self.model.family,
            "engine": self.engine,
            "layer": parameters.pop("layer", None),
            "parameters": parameters,
            "pooling": self.model.output.pooling,
            "weights": dict(self.weights),
            "audio": heard,
            "versions": _versions(self.model),
        }


def open_session(
    work: Work,
    name: str,
    *,
    layer: str | int | None = None,
    engine: str = "auto",
    parameters: Mapping[str, Any] | None = None,
) -> Session:
    """Load a model of the shelf and keep it warm.

    Raises UsageError for an unknown model, layer, engine or parameter, EnvironmentFailure where a package is missing,
    NotReady where the model is not whole on the shelf, IntegrityFailure where its weights do not fit its family.
    """
    model = work.model(name)
    chosen = "host" if engine == "auto" else engine
    if chosen not in ENGINES:
        raise UsageError(
            f"no engine {engine!r}{did_you_mean(engine, ENGINES)}", hint=f"known: auto, {', '.join(ENGINES)}"
        )
    settled = settle(model, layer, parameters or {})
    host.require(model)
    from modelctl.worker.protocol import BadWeights

    weights = _weights(work, model)
    folder = None if model.location is None else work.store.folder(model.location)
    try:
        embed = ENGINES[chosen](model, folder, settled)
    except BadWeights as error:
        raise IntegrityFailure(f"{model.name}: {error}", hint=f"modelctl fetch {model.name}") from error
    except ValueError as error:
        raise UsageError(f"{model.name}: {error}", hint=f"modelctl info {model.name}") from error
    return Session(model, chosen, settled, weights, embed)


def _weights(work: Work, model: Model) -> dict[str, str]:
    """Hash what is about to be loaded; NotReady where it is not whole."""
    [assessment] = work.assess([model])
    if assessment.state not in USABLE:
        reasons = f" ({'; '.join(assessment.reasons)})" if assessment.reasons else ""
        raise NotReady(f"{model.name} is {assessment.state}{reasons}", hint=f"modelctl fetch {model.name}")
    folder = work.store.folder(model.location or "")
    needed = [one.file for one in assessment.verdicts if one.found and not one.file.optional]
    digests = {file.path: digest(folder / file.path) for file in needed}
    for file in needed:
        if file.sha256 not in (None, digests[file.path]):
            hint = f"move it away, then modelctl fetch {model.name}"
            raise IntegrityFailure(f"{folder / file.path} does not have the sha256 of its manifest", hint=hint)
    return digests


def _checked(output: Output, model: Model) -> Output:
    """Return what a family gave if it is features at all."""
    import numpy as np

    values, times = output.values, output.times
    if values.ndim != 2 or not len(values) or values.dtype != np.float32 or times.shape != values.shape[:1]:  # noqa: PLR2004
        raise ModelctlError(
            f"{model.name} gave {values.dtype} {values.shape} with {times.shape} times, which is no features"
        )
    if not np.isfinite(values).all():
        raise ModelctlError(f"{model.name} gave values that are not finite", hint="check the recording's level")
    return output


def _closed(_samples: Any, _rate: int) -> Output:
    raise ModelctlError("the session is closed", hint="open the model again")


def _versions(model: Model) -> dict[str, str]:
    names = ("modelctl", "numpy", "soundfile", "soxr", *model.environment.packages)
    versions = {"python": platform.python_version()}
    for name in dict.fromkeys(names):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
