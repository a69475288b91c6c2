"""What is to be done, decided before it is done: assessments in, plans out. No disk and no network."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
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

    @property
    def kept(self) -> int:
        """Bytes that stay on the shelf."""
        return sum(file.expected_size for file in self.files)

    @property
    def peak(self) -> int:
        """Bytes that lie on the disk at the worst moment: an archive goes only after its files have come out."""
        return self.size + self.kept if self.archive else self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """A file that is there already, under another name."""

    model: Model
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPlan:
    """What fetching would do."""

    downloads: tuple[Download, ...] = ()
    renames: tuple[Rename, ...] = ()

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


def plan_fetch(assessments: Iterable[Assessment], schemes: Collection[str]) -> FetchPlan:
    """Decide what to download and what to rename so that every assessed model is whole.

    `schemes` are those that can be streamed. Raises SourceFailure where a file has no such source.
    """
    downloads: list[Download] = []
    renames: list[Rename] = []
    for one in assessments:
        missing = []
        for verdict in one.verdicts:
            if verdict.state is State.FOREIGN:
                raise ForeignFile(f"{one.model.name}: {verdict.reason}", hint="move it away, then fetch again")
            if verdict.state is State.MISNAMED and verdict.found:
                renames.append(Rename(model=one.model, old=verdict.found.path, new=verdict.file.path))
            elif verdict.state is not State.PRESENT:
                missing.append(verdict.file)
        downloads += _downloads(one.model, missing, schemes)
    return FetchPlan(downloads=tuple(downloads), renames=tuple(renames))


def _downloads(model: Model, missing: Sequence[File], schemes: Collection[str]) -> list[Download]:
    downloads = [_file_download(model, file, schemes) for file in missing if file.taken_from is None]
    for name, archive in model.archives.items():
        files = tuple(file for file in missing if file.taken_from and file.taken_from.archive == name)
        if files:
            urls = _streamable(model, name, archive.urls, schemes)
            downloads.append(
                Download(
                    model=model,
                    path=name,
                    urls=urls,
                    size=archive.size,
                    sha256=archive.sha256,
                    files=files,
                    archive=archive,
                )
            )
    return downloads


def _file_download(model: Model, file: File, schemes: Collection[str]) -> Download:
    urls = _streamable(model, file.path, file.urls, schemes)
    return Download(model=model, path=file.path, urls=urls, size=file.expected_size, sha256=file.sha256, files=(file,))


def _streamable(model: Model, path: str, urls: Sequence[str], schemes: Collection[str]) -> tuple[str, ...]:
    usable = tuple(url for url in urls if url.partition(":")[0] in schemes)
    if usable:
        return usable
    by_hand = next((url.partition(":")[2] for url in urls if url.startswith("manual:")), None)
    place = f"{model.location}/{path}".replace("//", "/")
    raise SourceFailure(
        f"{model.name}: no source of {path} can be fetched by this version: {', '.join(urls)}",
        hint=by_hand or f"get it by hand and put it at {place} below the root",
    )


def require_space(plan: FetchPlan, *, free: int, keep_free: int, budget: int | None, on_shelf: int) -> None:
    """Raise NoSpace where the plan would not fit; sizes in bytes."""
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
