"""What a manifest says, as frozen values: the words the whole tool thinks in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

SCHEMES = ("hf", "https", "pypi", "file", "manual")
LARGEST_SIZE = 1 << 44
"""Bytes (16 TiB); a larger size in a manifest is a slip."""

Digest = Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9a-f]{64}$"}, description="sha256, 64 lower-case hex")]
Bytes = Annotated[int, Meta(extra_json_schema={"minimum": 1}, description="bytes")]
Url = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": f"^({'|'.join(SCHEMES)}):"},
        description="hf://[datasets/]org/repo@commit/path, https://…, pypi:name==version/wheel, file:///…, manual:…",
    ),
]
ShelfPath = Annotated[str, Meta(description="path below the model's location, with forward slashes")]


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen value; msgspec makes such a class ten times as fast as dataclasses do, and start-up counts."""


class _Value(Value, frozen=True, forbid_unknown_fields=True):
    """A frozen value of a manifest; a key that it does not know is refused."""


class Member(_Value, frozen=True):
    """Where in an archive a file comes from."""

    archive: Annotated[str, Meta(description="name of one of the model's archives")]
    member: Annotated[str, Meta(description="path inside the archive; for a TensorFlow checkpoint its prefix")]
    convert: Annotated[
        Literal["tensorflow"] | None, Meta(description="tensorflow: a TensorFlow checkpoint becomes safetensors")
    ] = None


class Archive(_Value, frozen=True):
    """A downloaded container that is unpacked and not kept."""

    urls: tuple[Url, ...]
    size: Bytes
    sha256: Digest


class File(_Value, frozen=True):
    """One file of a model on the shelf."""

    path: ShelfPath
    format: Literal["safetensors", "torch", "torch-legacy", "json", "text", "csv", "npz"]
    urls: Annotated[tuple[Url, ...], Meta(description="tried in order")] = ()
    taken_from: Annotated[Member | None, Meta(description="instead of urls: the archive that holds it")] = None
    formerly: Annotated[
        tuple[ShelfPath, ...], Meta(description="names under which the source or an old shelf has it")
    ] = ()
    variant: Annotated[
        str | None,
        Meta(description="one complete variant is enough; the first one listed is what a fresh fetch takes"),
    ] = None
    optional: Annotated[bool, Meta(description="fetched, but the model is ready without it")] = False
    size: Annotated[Bytes | None, Meta(description="null where no source states it")] = None
    approx_size: Annotated[Bytes | None, Meta(description="an estimate, where size is null")] = None
    sha256: Digest | None = None

    @property
    def expected_size(self) -> int:
        """Bytes: the exact size where it is known, else the estimate."""
        return self.size or self.approx_size or 0

    @property
    def names(self) -> tuple[str, ...]:
        """Every name the file may have on a shelf, the right one first."""
        return (self.path, *self.formerly)

    @property
    def source_name(self) -> str:
        """The name the source gives it."""
        return self.formerly[0] if self.formerly else self.path


class Bundled(_Value, frozen=True):
    """A library that is the model: nothing is fetched."""

    package: Annotated[str, Meta(description="name on the package index")]
    version: Annotated[str, Meta(description="the version the facts were read from")]


class Licence(_Value, frozen=True):
    """What may be done with the weights and with the code."""

    weights: str
    code: str
    note: str = ""


class Input(_Value, frozen=True):
    """What a family is fed."""

    sample_rate: Annotated[int | None, Meta(description="Hz; null: the recording's own rate")]
    channels: Literal["mono", "stereo"] = "mono"
    min_samples: Annotated[int, Meta(description="a shorter recording is refused")] = 1
    window_seconds: Annotated[float | None, Meta(description="what one forward pass hears; null: all of it")] = None


class Output(_Value, frozen=True):
    """What a family gives."""

    dim: Annotated[int, Meta(description="length of one vector, for the default layer and parameters")]
    frame_rate: Annotated[float | None, Meta(description="vectors a second; null: one vector a recording")]
    layers: Annotated[
        int | Mapping[str, int] | None, Meta(description="how many hidden layers, or each named layer with its length")
    ] = None
    default_layer: int | str | None = None
    tag_layer: Annotated[str | None, Meta(description="the layer that holds the probabilities of named tags")] = None
    pooling: Annotated[Literal["mean", "none"], Meta(description="how frames become the clip vector")] = "mean"
    note: str = ""


class Parameter(_Value, frozen=True):
    """A choice that a family offers."""

    default: str | int | float | bool
    about: str
    choices: tuple[str | int, ...] = ()


class Environment(_Value, frozen=True):
    """Where the family's code can run."""

    name: Annotated[str, Meta(description="host, or a folder of containers/")] = "host"
    packages: Annotated[tuple[str, ...], Meta(description="modules the family imports")] = ()
    extras: Annotated[tuple[str, ...], Meta(description="modelctl's extras that bring them")] = ()


class Task(_Value, frozen=True):
    """How well the model serves a task."""

    rank: Annotated[int, Meta(description="1 is recommended first")]
    rating: Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": 5}, description="1 poor … 5 excellent")]
    reason: str


class Paper(_Value, frozen=True):
    """Where the model is described."""

    title: str
    year: int
    reference: Annotated[str, Meta(description="arXiv:…, doi:… or venue")] = ""


class About(_Value, frozen=True):
    """What a person wants to know before choosing."""

    type: str
    training_data: str
    genre_coverage: str
    genre_specific: Literal["yes", "no", "implicit"]
    music_focus: Literal["music", "mixed", "speech", "none"]
    best_for: str
    tasks: Mapping[str, Task]
    paper: Paper | None = None


class KnownIssue(_Value, frozen=True):
    """Something that is wrong or surprising in the model itself."""

    brief: Annotated[str, Meta(description="a few words, for status")]
    detail: str
    source: str = ""


class RecordSays(_Value, frozen=True):
    """Where the user's own record differs from the truth."""

    field: str
    says: str
    truth: str
    brief: Annotated[str, Meta(description="a few words, for status")]


class Model(_Value, frozen=True):
    """One model, as its manifest describes it."""

    name: Annotated[str, Meta(extra_json_schema={"pattern": "^[a-z0-9][a-z0-9-]{0,63}$"})]
    title: str
    location: Annotated[str | None, Meta(description="the model's folder on the shelf; null: bundled")]
    family: Annotated[str, Meta(description="a module of modelctl/worker/families")]
    homepage: str
    licence: Licence
    input: Input
    output: Output
    about: About
    environment: Environment = Environment()
    revision: Annotated[str | None, Meta(description="commit or version the sources are pinned to")] = None
    files: tuple[File, ...] = ()
    archives: Mapping[str, Archive] = {}
    bundled: Bundled | None = None
    parameters: Mapping[str, Parameter] = {}
    known_issues: tuple[KnownIssue, ...] = ()
    record_says: tuple[RecordSays, ...] = ()

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the variants, the preferred one first."""
        return tuple(dict.fromkeys(file.variant for file in self.files if file.variant))

    def wanted(self, variant: str | None = None) -> tuple[File, ...]:
        """Return the files a shelf needs for `variant`, by default the preferred one, optional ones included."""
        chosen = variant or next(iter(self.variants), None)
        return tuple(file for file in self.files if file.variant in (None, chosen))
