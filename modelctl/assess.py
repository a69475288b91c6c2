"""How models lie on the shelf: manifests and findings in, assessments out. Decisions only, no disk and no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from modelctl.model import File, Model, Value
from modelctl.paths import printable
from modelctl.units import format_size

PARTIAL_SUFFIX = ".part"
FEWER, MORE = 0.005, 0.05
"""How far a size may lie below and above the manifest's estimate, which is that of the tensors alone."""


class State(StrEnum):
    """How a model lies on the shelf."""

    ABSENT = "absent"
    PARTIAL = "partial"
    PRESENT = "present"
    VERIFIED = "verified"
    DAMAGED = "damaged"
    FOREIGN = "foreign"
    MISNAMED = "misnamed"
    BUNDLED = "bundled"
    MANUAL = "manual"


USABLE = (State.PRESENT, State.VERIFIED, State.BUNDLED)


class Found(Value, frozen=True, kw_only=False):
    """A file in a model's folder, from `stat` alone."""

    path: str
    """Below the model's location, with forward slashes."""
    size: int
    """Bytes, as stat's st_size."""
    trouble: str = ""
    """Why it cannot be looked at; empty where it can."""

    def __str__(self) -> str:
        """Return the path as it may be shown."""
        return printable(self.path)


class Verdict(Value, frozen=True, kw_only=False):
    """What lies at one file's place."""

    file: File
    state: State
    found: Found | None = None
    reason: str = ""


class Assessment(Value, frozen=True):
    """What `stat` says of one model."""

    model: Model
    state: State
    bytes_expected: int = 0
    bytes_on_disk: int = 0
    reasons: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


KnownSizes = Mapping[int, Sequence[tuple[Model, File]]]


def known_sizes(models: Iterable[Model]) -> KnownSizes:
    """Return, for each exact size in bytes, whose files have it."""
    sizes: dict[int, list[tuple[Model, File]]] = {}
    for model in models:
        for file in model.files:
            if file.size is not None and not file.optional:
                sizes.setdefault(file.size, []).append((model, file))
    return sizes


def assess_bundled(model: Model, *, installed: bool) -> Assessment:
    """Judge a model that is a library."""
    if installed:
        return Assessment(model=model, state=State.BUNDLED)
    return Assessment(model=model, state=State.ABSENT, reasons=("the library is not installed",))


def assess(model: Model, found: Sequence[Found], sizes: KnownSizes) -> Assessment:
    """Judge what lies in a model's folder, by names and sizes."""
    troubles = [
        f"{model.location if one.path == '.' else one} cannot be looked at: {one.trouble}"
        for one in found
        if one.trouble
    ]
    found = [one for one in found if not one.trouble]
    by_path = {one.path: one for one in found}
    claimed = {name for file in model.files for name in _claims(file)}
    loose = [one for one in found if one.path not in claimed]
    verdicts = [_judge(file, by_path, loose, model, sizes) for file in model.files]
    variant = _best_variant(model, verdicts)
    chosen = [one for one in verdicts if one.file.variant in (None, variant)]
    state, reasons = _overall(chosen)
    strangers = _strangers(model, loose, sizes)
    if state is State.ABSENT and strangers:
        state = State.FOREIGN
    return Assessment(
        model=model,
        state=state,
        bytes_expected=sum(file.expected_size for file in model.wanted(variant)),
        bytes_on_disk=sum(one.size for one in found),
        reasons=(*troubles, *reasons, *strangers, *_twins(model, verdicts)),
        verdicts=tuple(chosen),
    )


def _claims(file: File) -> tuple[str, ...]:
    return (*file.names, file.path + PARTIAL_SUFFIX)


def _judge(file: File, by_path: Mapping[str, Found], loose: list[Found], model: Model, sizes: KnownSizes) -> Verdict:
    for name in file.names:
        if name in by_path:
            return _judge_found(file, by_path[name], model, sizes)
    if partial := by_path.get(file.path + PARTIAL_SUFFIX):
        return Verdict(file, State.PARTIAL, partial, f"{_of(partial.size, file)} of {file.path} fetched")
    for one in loose:
        if file.size is not None and one.size == file.size:
            return Verdict(file, State.ABSENT, reason=f"{one} has the size of {file.path}")
    return Verdict(file, State.ABSENT)


def _judge_found(file: File, found: Found, model: Model, sizes: KnownSizes) -> Verdict:
    if not _size_fits(file, found.size):
        if owner := _owner(found, model, sizes):
            return Verdict(file, State.FOREIGN, found, _foreign_sentence(found, owner))
        state = State.PARTIAL if found.size < file.expected_size else State.DAMAGED
        return Verdict(file, state, found, f"{found} has {_of(found.size, file)}")
    if found.path != file.path:
        return Verdict(file, State.MISNAMED, found, f"{found} is not yet named {file.path}")
    return Verdict(file, State.PRESENT, found)


def _size_fits(file: File, size: int) -> bool:
    if file.size is not None:
        return size == file.size
    if file.optional:
        return size > 0
    return (1 - FEWER) * file.expected_size <= size <= (1 + MORE) * file.expected_size


def _of(size: int, file: File) -> str:
    return f"{size} of {'' if file.size else 'about '}{file.expected_size} bytes"


def _owner(found: Found, model: Model, sizes: KnownSizes) -> tuple[Model, File] | None:
    return next(((other, file) for other, file in sizes.get(found.size, ()) if other.name != model.name), None)


def _foreign_sentence(found: Found, owner: tuple[Model, File]) -> str:
    other, file = owner
    return f"{found} has exactly the size of {other.name}'s {file.source_name} ({format_size(found.size)})"


def _strangers(model: Model, loose: Sequence[Found], sizes: KnownSizes) -> list[str]:
    return [_foreign_sentence(one, owner) for one in loose if (owner := _owner(one, model, sizes))]


def _best_variant(model: Model, verdicts: Sequence[Verdict]) -> str | None:
    """Return the variant that is whole, else one that has been begun, else the preferred one."""

    def rank(variant: str) -> int:
        states = [one.state for one in verdicts if one.file.variant == variant and not one.file.optional]
        if all(state is State.PRESENT for state in states):
            return 0
        return 1 if any(state is not State.ABSENT for state in states) else 2

    return min(model.variants, key=rank, default=None)


def _overall(verdicts: Sequence[Verdict]) -> tuple[State, list[str]]:
    needed = [one for one in verdicts if not one.file.optional]
    states = {one.state for one in needed}
    reasons = [one.reason for one in verdicts if one.reason]
    for alone in (State.FOREIGN, State.DAMAGED):
        if alone in states:
            return alone, reasons
    if states == {State.ABSENT}:
        return (State.MANUAL if _only_by_hand(needed) else State.ABSENT), reasons
    if states == {State.PRESENT}:
        return State.PRESENT, reasons
    if states <= {State.PRESENT, State.MISNAMED}:
        return State.MISNAMED, reasons
    missing = [one.file.path for one in needed if one.state is State.ABSENT]
    return State.PARTIAL, [*reasons, *(f"{path} is missing" for path in missing)]


def _only_by_hand(needed: Sequence[Verdict]) -> bool:
    urls = [url for one in needed for url in one.file.urls]
    return bool(urls) and all(url.startswith("manual:") for url in urls)


def _twins(model: Model, verdicts: Sequence[Verdict]) -> list[str]:
    """Say which weights lie there in a second format."""
    whole = [one for one in verdicts if one.file.variant and not one.file.optional and one.state is State.PRESENT]
    if len({one.file.variant for one in whole}) < 2:  # noqa: PLR2004 - twins are two
        return []
    spare = [one for one in whole if one.file.variant != model.variants[0]]
    freed = format_size(sum(one.found.size for one in spare if one.found))
    return [f"{', '.join(one.file.path for one in spare)} is a twin in another format ({freed} could be had back)"]
