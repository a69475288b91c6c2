"""Each verb in a few lines: the whole tool on one page. A verb returns a value; `render` shows it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from modelctl import disks
from modelctl.assess import USABLE, Assessment, State
from modelctl.environments import host
from modelctl.errors import AudioError, UsageError, did_you_mean
from modelctl.model import Model, Task, Value
from modelctl.work import Work

if TYPE_CHECKING:
    from modelctl.features import Features, Level
    from modelctl.library import Extraction, Failure, Report
    from modelctl.plan import FetchPlan


RECORD = "record: "
"""What an issue starts with where the user's own record is corrected."""


class Shown(Value, frozen=True):
    """One model as `status` shows it."""

    assessment: Assessment
    obstacle: host.Obstacle | None
    """Why this machine cannot run it, apart from its files."""

    @property
    def model(self) -> Model:
        """The model itself."""
        return self.assessment.model

    @property
    def ready(self) -> bool:
        """Whether `extract` would run now."""
        return self.assessment.state in USABLE and self.obstacle is None

    @property
    def issues(self) -> tuple[str, ...]:
        """Everything worth knowing, the most pressing first."""
        obstacle = () if self.obstacle is None else (self.obstacle.reason,)
        record = tuple(f"{RECORD}{one.brief}" for one in self.model.record_says)
        known = tuple(one.brief for one in self.model.known_issues)
        return (*self.assessment.reasons, *record, *known, *obstacle)


class ShelfStatus(Value, frozen=True):
    """The shelf and its disks."""

    root: Path
    budget: int | None
    keep_free: int
    disks: tuple[disks.Disk, ...]
    reclaims: Mapping[Path, tuple[str, int]]
    """For a mount whose root keeps back a lot: the command that gives it back, and the bytes."""
    models: tuple[Shown, ...]


class Ranked(Value, frozen=True):
    """One model in the catalogue, with what it is worth for a task where one was asked for."""

    model: Model
    state: State
    task: Task | None = None


class Heard(msgspec.Struct):
    """What `run` heard."""

    done: list[tuple[Path, Features]] = []
    failed: list[Failure] = []


class Fetched(Value, frozen=True):
    """What a fetch did, or with `dry_run` would do."""

    plan: FetchPlan
    mount: Path
    dry_run: bool
    moved_bytes: int = 0
    seconds: float = 0.0
    proven: tuple[tuple[str, str], ...] = ()
    """(path below the root, sha256) of each file that arrived."""


def status(work: Work, names: Sequence[str] = ()) -> ShelfStatus:
    """Judge the shelf and its disks from `stat` alone."""
    surveyed = disks.survey(disks.places(work.settings.root))
    reclaims = {disk.mount: found for disk in surveyed if (found := disks.reclaim_command(disk))}
    return ShelfStatus(
        root=work.settings.root,
        budget=work.settings.budget,
        keep_free=work.settings.keep_free,
        disks=surveyed,
        reclaims=reclaims,
        models=tuple(show(one) for one in work.assess(work.pick(names))),
    )


def show(assessment: Assessment) -> Shown:
    """Add to what lies on the shelf what this machine can run."""
    return Shown(assessment=assessment, obstacle=host.why_not(assessment.model))


def catalogue(work: Work, task: str | None = None) -> list[Ranked]:
    """Return the models: by name, or for a task by rank; UsageError for an unknown task."""
    assessed = work.assess(work.models.values())
    if task is None:
        return [Ranked(model=one.model, state=one.state) for one in assessed]
    known = sorted({name for model in work.models.values() for name in model.about.tasks})
    if task not in known:
        raise UsageError(f"no task {task!r}{did_you_mean(task, known)}", hint=f"known: {', '.join(known)}")
    ranked = [
        Ranked(model=one.model, state=one.state, task=one.model.about.tasks[task])
        for one in assessed
        if task in one.model.about.tasks
    ]
    return sorted(ranked, key=lambda one: (one.task.rank, -one.task.rating, one.model.name) if one.task else ())


def describe(work: Work, name: str) -> Shown:
    """Return all there is to know of one model."""
    return show(work.assess([work.model(name)])[0])


def fetch(work: Work, names: Sequence[str], *, dry_run: bool = False) -> Fetched:
    """Download, prove and rename what the named models lack; planned, and refused, before the first byte."""
    from modelctl import plan, receive, sources

    begun = time.monotonic()
    everything = work.assess(work.models.values())
    wanted = {model.name for model in work.pick(names) if model.location is not None}
    todo = plan.plan_fetch((one for one in everything if one.model.name in wanted), sources.COPIES)
    [disk] = disks.survey({"shelf": work.settings.root})
    plan.require_space(
        todo,
        free=disk.free,
        keep_free=work.settings.keep_free,
        budget=work.settings.budget,
        on_shelf=work.store.total_bytes(),
    )
    if dry_run:
        return Fetched(plan=todo, mount=disk.mount, dry_run=True)
    moved, proven = receive.carry_out(todo, work.store)
    seconds = time.monotonic() - begun
    return Fetched(plan=todo, mount=disk.mount, dry_run=False, moved_bytes=moved, seconds=seconds, proven=tuple(proven))


def run(
    work: Work,
    name: str,
    recordings: Sequence[Path],
    *,
    out: Path | None = None,
    level: Level = "frames",
    **choices: Any,
) -> Heard:
    """Return the features that one model gives for each recording; with `out`, save those of a single one.

    One of several that fails is listed, and the rest goes on; a single one's error is raised.
    """
    from modelctl import library, pipeline

    found = library.recordings_in(recordings)
    if out is not None and len(found) != 1:
        raise UsageError(f"{out} holds the features of one recording, not of {len(found)}", hint="use modelctl extract")
    heard = Heard()
    with pipeline.open_session(work, name, **choices) as session:
        for path, _name in found:
            try:
                heard.done.append((path, session.extract(path).at(level)))
            except AudioError as error:
                if len(found) == 1:
                    raise
                heard.failed.append(library.Failure(path=path, model=name, error=error))
    if out is not None:
        heard.done[0][1].save(out)
    return heard


def extract(
    work: Work,
    recordings: Sequence[Path],
    names: Sequence[str],
    out: Path,
    *,
    level: Level = "frames",
    format: str = "npz",  # noqa: A002 - the flag's own name
    report: Report = lambda _path: None,
    **choices: Any,
) -> Extraction:
    """Put recordings, and folders of them, through models; features go to `OUT/MODEL/NAME.npz`."""
    from modelctl import library, pipeline

    if format != "npz":
        raise UsageError(f"no format {format!r}", hint="known: npz")
    if level not in ("frames", "clip"):
        raise UsageError(f"no level {level!r}", hint="known: frames, clip")
    found = library.recordings_in(recordings)
    sessions = [pipeline.open_session(work, name, **choices) for name in models_to_run(work, names)]
    one_file = out.suffix == f".{format}"
    if one_file and (len(found), len(sessions)) != (1, 1):
        raise UsageError(f"{out} holds one recording through one model", hint="name a folder, or drop the ending")
    _prepare(out.parent if one_file else out)
    return library.extract_recordings(sessions, found, out, level=level, ending=format, report=report)


def _prepare(out: Path) -> None:
    """Refuse a place that cannot take the features, before any is computed."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out} cannot be made: {error.strerror}", hint="choose another --out") from error
    if not os.access(out, os.W_OK | os.X_OK):
        raise UsageError(f"{out} may not be written to", hint="choose another --out")


def models_to_run(work: Work, names: Sequence[str]) -> list[str]:
    """Return the asked-for names; `all` stands for every model that is ready."""
    if not names:
        raise UsageError("no model is named", hint="modelctl list")
    named = [model.name for model in work.pick([name for name in names if name != "all"])]
    if "all" not in names:
        return named
    ready = [one.model.name for one in map(show, work.assess(work.models.values())) if one.ready]
    if not ready:
        raise UsageError("no model is ready", hint="modelctl status says what each lacks")
    return ready
