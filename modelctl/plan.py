"""What is to be done, decided before it is done: assessments in, plans out. No disk and no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from modelctl.assess import Assessment, State
from modelctl.errors import ForeignFile, NoSpace, SourceFailure
from modelctl.model import Archive, File, Model
from modelctl.units import format_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """Bytes to come from a source: a file, or an archive that files are taken from."""

    model: Model
    path: str
    """For a file its place below the model's location, for an archive its own name."""
    urls: tuple[str, ...]
    size: int
    sha256: str | None
    files: tuple[File, ...]
    """What ends up on the shelf."""
    archive: Archive | None = None
    copies: int = 1
    """How often what arrives lies on the disk at once."""

    @property
    def kept(self) -> int:
        """Bytes that stay on the shelf."""
        return sum(file.expected_size for file in self.files)

    @property
    def peak(self) -> int:
        """Bytes that lie on the disk at the worst moment: an archive goes only after its files have come out."""
        return self.size * self.copies + (self.kept if self.archive else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """A file that is there already, under another name."""

    model: Model
    old: str
    file: File


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPlan:
    """What fetching would do."""

    downloads: tuple[Download, ...] = ()
    renames: tuple[Rename, ...] = ()
    left_out: tuple[str, ...] = ()
    """Optional files that no source of this version brings, as `MODEL: PATH`."""

    @property
    def peak(self) -> int:
        """Bytes needed at the worst moment: what earlier downloads keep, and what the present one holds."""
        kept, worst = 0, 0
        for download in self.downloads:
            worst = max(worst, kept + download.peak)
            kept += download.kept
        return worst

    @property
    def kept(self) -> int:
        """Bytes that the shelf grows by."""
        return sum(download.kept for download in self.downloads)


def plan_fetch(assessments: Iterable[Assessment], copies: Mapping[str, int]) -> FetchPlan:
    """Decide what to download and what to rename so that every assessed model is whole.

    `copies` has the schemes that can be streamed, and how often what they bring lies on the disk at once. Raises
    SourceFailure where a needed file has no such source, ForeignFile where another model's file is in its place.
    """
    downloads: list[Download] = []
    renames: list[Rename] = []
    left_out: list[str] = []
    for one in assessments:
        missing = []
        for verdict in one.verdicts:
            file = verdict.file
            if verdict.state is State.FOREIGN:
                raise ForeignFile(f"{one.model.name}: {verdict.reason}", hint="move it away, then fetch again")
            if verdict.state is State.MISNAMED and verdict.found:
                renames.append(Rename(model=one.model, old=verdict.found.path, file=file))
            elif verdict.state is not State.PRESENT:
                if file.optional and not _usable(_urls(one.model, file), copies):
                    left_out.append(f"{one.model.name}: {file.path}")
                else:
                    missing.append(file)
        downloads += _downloads(one.model, missing, copies)
    return FetchPlan(downloads=tuple(downloads), renames=tuple(renames), left_out=tuple(left_out))


def _downloads(model: Model, missing: Sequence[File], copies: Mapping[str, int]) -> list[Download]:
    downloads = [_download(model, file.path, (file,), None, copies) for file in missing if file.taken_from is None]
    for name, archive in model.archives.items():
        files = tuple(file for file in missing if file.taken_from and file.taken_from.archive == name)
        if files:
            downloads.append(_download(model, name, files, archive, copies))
    return downloads


def _download(
    model: Model, path: str, files: tuple[File, ...], archive: Archive | None, copies: Mapping[str, int]
) -> Download:
    source = archive or files[0]
    urls = _usable(source.urls, copies)
    if not urls:
        raise _no_source(model, path, source.urls)
    size = archive.size if archive else files[0].expected_size
    most = max(copies[_scheme(url)] for url in urls)
    return Download(
        model=model, path=path, urls=urls, size=size, sha256=source.sha256, files=files, archive=archive, copies=most
    )


def _urls(model: Model, file: File) -> tuple[str, ...]:
    return model.archives[file.taken_from.archive].urls if file.taken_from else file.urls


def _usable(urls: Sequence[str], copies: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(url for url in urls if _scheme(url) in copies)


def _scheme(url: str) -> str:
    return url.partition(":")[0]


def _no_source(model: Model, path: str, urls: Sequence[str]) -> SourceFailure:
    by_hand = next((url.partition(":")[2] for url in urls if url.startswith("manual:")), None)
    place = f"{model.location}/{path}".replace("//", "/")
    return SourceFailure(
        f"{model.name}: no source of {path} can be fetched by this version: {', '.join(urls)}",
        hint=by_hand or f"get it by hand and put it at {place} below the root",
    )


def require_space(plan: FetchPlan, *, free: int, keep_free: int, budget: int | None, on_shelf: int) -> None:
    """Raise NoSpace where the plan would not fit; sizes in bytes."""
    if not plan.downloads:
        return
    room = free - keep_free
    if plan.peak > room:
        raise NoSpace(
            f"the fetch needs {format_size(plan.peak)} at its peak, and {format_size(max(0, room))} may be used"
            + (f" ({format_size(keep_free)} stay free)" if keep_free else ""),
            hint="modelctl status shows the disks and what each model takes",
            needed=plan.peak,
            free=max(0, room),
            short=plan.peak - room,
            suggestions=[],
        )
    if budget is not None and on_shelf + plan.kept > budget:
        left = max(0, budget - on_shelf)
        raise NoSpace(
            f"the shelf would take {format_size(on_shelf + plan.kept)}, and its budget is {format_size(budget)}",
            hint="raise MODELCTL_BUDGET, or remove a model",
            needed=plan.kept,
            free=left,
            short=plan.kept - left,
            suggestions=[],
        )
