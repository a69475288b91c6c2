"""Results to text: the only room that knows a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from modelctl.assess import State
from modelctl.errors import ModelctlError, PartialFailure
from modelctl.paths import printable
from modelctl.units import format_size
from modelctl.verbs import RECORD

if TYPE_CHECKING:
    from rich.status import Status

    from modelctl.disks import Disk
    from modelctl.doctor import Check
    from modelctl.library import Extraction
    from modelctl.model import Model
    from modelctl.verbs import Fetched, Ranked, ShelfStatus, Shown

GAP = "  "
INDENT = "      "
UNBOUNDED = 10_000
"""Columns where nothing is a terminal: lines stay whole for whoever reads the pipe."""

STATE_STYLES = {
    State.PRESENT: "green",
    State.VERIFIED: "green",
    State.BUNDLED: "green",
    State.PARTIAL: "yellow",
    State.MISNAMED: "yellow",
    State.MANUAL: "yellow",
    State.DAMAGED: "red",
    State.FOREIGN: "red",
}
FULL, NEARLY_FULL = 0.97, 0.9
"""Shares of a disk from which its bar is red, and yellow."""
NEXT_STEPS = {
    State.ABSENT: "modelctl fetch {name}",
    State.MISNAMED: "modelctl fetch {name} gives it its right name",
    State.PARTIAL: "modelctl fetch {name} brings what is missing",
    State.FOREIGN: "move the file away, then modelctl fetch {name}",
    State.DAMAGED: "modelctl fetch {name} replaces it",
}


class _Screen(Console):
    """A console that leaves it to the command line what to do when its reader is gone."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Write out whatever a terminal would obey in words that come from manifests and file names."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(_harmless(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Go on as any other error would."""
        raise BrokenPipeError


def _harmless(text: str) -> str:
    return text if text.isascii() and text.isprintable() else "\n".join(map(printable, text.split("\n")))


def console(*, stderr: bool = False) -> Console:
    """Return a console that fits the terminal, or does not fold at all where there is none."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else UNBOUNDED
    return _Screen(file=stream, width=width, highlight=False, soft_wrap=False, markup=False, emoji=False)


def plain(words: str) -> Text:
    """Return words as they are, with nothing in them taken for markup."""
    return Text(_harmless(words))


def wheel(words: str) -> Status:
    """Return a wheel that turns on stderr while something long goes on."""
    return console(stderr=True).status(plain(words))


def print_status(shown: ShelfStatus, out: Console) -> None:
    """Print the disks, then one line a model, then what is wrong with the next step."""
    out.print(Text.assemble(("shelf ", "dim"), (str(shown.root), "bold")), no_wrap=True, overflow="ellipsis")
    for disk in shown.disks:
        _print_disk(disk, shown, out)
    out.print()
    _print_models(shown.models, out)
    if any(not one.ready for one in shown.models):
        out.print(Text("● ready  ○ not ready: modelctl info MODEL says why", "dim"))
    wrong = [one for one in shown.models if one.assessment.state is not State.BUNDLED and one.assessment.reasons]
    if wrong:
        out.print()
    for one in wrong:
        name = one.model.name
        state = one.assessment.state
        out.print(Text.assemble((f"{name}: ", STATE_STYLES.get(state, "")), "; ".join(one.assessment.reasons)))
        if state in NEXT_STEPS:
            out.print(Text(f"  {NEXT_STEPS[state].format(name=name)}", "dim"))


def _print_disk(disk: Disk, shown: ShelfStatus, out: Console) -> None:
    share = 1 - disk.free / disk.total if disk.total else 1.0
    style = "red" if share >= FULL else "yellow" if share >= NEARLY_FULL else "green"
    lines = [
        Text.assemble(("disk  ", "dim"), (str(disk.mount), "bold"), (f"  {', '.join(disk.holds)}", "dim")),
        Text.assemble(INDENT, _bar(share, 30, style), f" {_percent(share)} full, {format_size(disk.free)} free of "),
    ]
    lines[1].append(format_size(disk.total))
    lines += [Text(f"{INDENT}{note}", "dim") for note in _disk_notes(disk, shown)]
    for line in lines:
        out.print(line, no_wrap=True, overflow="ellipsis")


def _disk_notes(disk: Disk, shown: ShelfStatus) -> Iterator[str]:
    if disk.keeps_much:
        yield f"{format_size(disk.reserved)} more is free, but reserved for root"
    if found := shown.reclaims.get(disk.mount):
        yield f"{found[0]} would give back {format_size(found[1])}"
    if "shelf" in disk.holds and shown.budget is not None:
        yield f"the shelf's budget is {format_size(shown.budget)}"
    if shown.keep_free:
        yield f"{format_size(shown.keep_free)} is to stay free"


def _percent(share: float) -> str:
    """Round down, so that 100 % is said of a full disk alone."""
    return f"{int(share * 100)} %"


def _bar(share: float, width: int, style: str) -> Text:
    filled = round(min(1.0, share) * width)
    return Text.assemble(("━" * filled, style), ("━" * (width - filled), "bright_black"))


def _print_models(models: Iterable[Shown], out: Console) -> None:
    rows = [
        (
            Text("●", "green") if one.ready else Text("○", "bright_black"),
            Text(one.model.name, "bold"),
            _state(one.assessment.state),
            _sizes(one),
            Text(str(one.model.output.dim)),
            _place(one),
            Text(_notes(one.issues)),
        )
        for one in models
    ]
    _print_table(("", "model", "state", "size", ">dim", "runs on", "notes"), rows, out)


def _place(one: Shown) -> Text:
    place = Text(one.model.environment.name)
    return place if one.obstacle is None else place.append(f", {one.obstacle.brief}", "yellow")


def _notes(issues: Sequence[str]) -> str:
    """Join the issues, saying only once in a row that they correct a record."""
    before = ["", *issues]
    in_a_row = [a.startswith(RECORD) and b.startswith(RECORD) for a, b in pairwise(before)]
    return "; ".join(one.removeprefix(RECORD) if again else one for one, again in zip(issues, in_a_row, strict=True))


def _sizes(one: Shown) -> Text:
    if one.model.location is None:
        return Text("library", "bright_black")
    held, wanted = format_size(one.assessment.bytes_on_disk), format_size(one.assessment.bytes_expected)
    if not one.assessment.bytes_on_disk:
        return Text(wanted, "bright_black")
    whole = held == wanted or one.assessment.state in (State.PRESENT, State.VERIFIED)
    return Text(held) if whole else Text.assemble(held, (f" of {wanted}", "bright_black"))


def _print_table(headers: Sequence[str], rows: Sequence[Sequence[Text]], out: Console) -> None:
    """Print columns as wide as they need, the last one cut where the screen ends; no cell folds.

    A header that starts with `>` stands over a column that is flush right.
    """
    names = [header.removeprefix(">") for header in headers]
    widths = [max(len(name), *(row[at].cell_len for row in rows)) for at, name in enumerate(names)]
    room = out.width - sum(width + len(GAP) for width in widths[:-1])
    whole = Text(no_wrap=True)
    for row in ([Text(name, "dim") for name in names], *rows):
        for header, cell, width in zip(headers[:-1], row[:-1], widths[:-1], strict=True):
            cell.align("right" if header.startswith(">") else "left", width)
            whole.append_text(cell).append(GAP)
        row[-1].truncate(max(1, room), overflow="ellipsis")
        whole.append_text(row[-1]).append("\n")
    whole.right_crop()
    out.print(whole)


def print_catalogue(ranked: Sequence[Ranked], out: Console) -> None:
    """Print the models, or their ranking for a task with the reasons."""
    if ranked and ranked[0].task:
        _print_ranking(ranked, out)
        return
    rows = [
        (
            Text(one.model.name, "bold"),
            _state(one.state),
            Text(str(one.model.output.dim)),
            Text(_rate(one.model)),
            Text(one.model.licence.weights),
            Text(one.model.about.type),
        )
        for one in ranked
    ]
    _print_table(("model", "state", ">dim", "rate", "weights", "type"), rows, out)


def _print_ranking(ranked: Sequence[Ranked], out: Console) -> None:
    rows = [
        (
            Text(str(one.task.rank)),
            Text(one.model.name, "bold"),
            Text("★" * one.task.rating, "yellow") + Text("☆" * (5 - one.task.rating), "bright_black"),
            _state(one.state),
            Text(str(one.model.output.dim)),
            Text(one.task.reason),
        )
        for one in ranked
        if one.task
    ]
    _print_table(("rank", "model", "rating", "shelf", ">dim", "reason"), rows, out)


def _state(state: State) -> Text:
    return Text(state, STATE_STYLES.get(state, "bright_black"))


def _rate(model: Model) -> str:
    rate = model.output.frame_rate
    return "one a recording" if rate is None else f"{rate:g} a second" if rate >= 1 else f"one each {1 / rate:.3g} s"


def print_model(shown: Shown, out: Console) -> None:
    """Print all there is to know of one model."""
    model, about = shown.model, shown.model.about
    out.print(Text.assemble((model.name, "bold"), f"  {model.title}"))
    rows = [
        ("state", f"{shown.assessment.state}{'' if shown.ready else ', not ready'}"),
        *(("", reason) for reason in shown.assessment.reasons),
        ("", shown.obstacle.reason if shown.obstacle else ""),
        ("next", NEXT_STEPS.get(shown.assessment.state, "").format(name=model.name)),
        ("location", model.location or "bundled with its library"),
        ("size", format_size(shown.assessment.bytes_expected) if model.files else "library only"),
        ("input", _input(model)),
        ("output", _output(model)),
        ("layers", _layers(model)),
        *((f"--param {key}", _parameter(model, key)) for key in model.parameters),
        ("family", f"{model.family}, runs on {model.environment.name}"),
        ("licence", f"weights {model.licence.weights}; code {model.licence.code}"),
        ("", model.licence.note),
        ("type", about.type),
        ("trained on", about.training_data),
        ("genres", about.genre_coverage),
        ("music focus", f"{about.music_focus}; genre-specific: {about.genre_specific}"),
        ("best for", about.best_for),
        *((f"{name}", f"{'★' * task.rating} rank {task.rank}: {task.reason}") for name, task in about.tasks.items()),
        ("paper", f"{about.paper.title} ({about.paper.year}) {about.paper.reference}" if about.paper else ""),
        ("home", model.homepage),
        ("revision", model.revision or ""),
        *(("file", f"{file.path}  {_file(file.size, file.approx_size)}") for file in model.files),
    ]
    _print_pairs([(key, value) for key, value in rows if value], out)
    if model.known_issues:
        out.print(Text("\nknown issues", "bold"))
        _print_pairs(
            [("•", f"{issue.detail}{f' ({issue.source})' if issue.source else ''}") for issue in model.known_issues],
            out,
        )
    if model.record_says:
        out.print(Text("\nwhere a record may be wrong", "bold"))
        _print_pairs([(one.field, f"says {one.says}; in truth {one.truth}") for one in model.record_says], out)


def _print_pairs(pairs: Iterable[tuple[str, str]], out: Console) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in pairs:
        table.add_row(key, value)
    out.print(table)


def _input(model: Model) -> str:
    rate = model.input.sample_rate
    heard = f"{rate} Hz" if rate else "the recording's own rate"
    window = f", {model.input.window_seconds:g} s a window" if model.input.window_seconds else ""
    return f"{heard}, {model.input.channels}, at least {model.input.min_samples} samples{window}"


def _output(model: Model) -> str:
    note = f"; {model.output.note}" if model.output.note else ""
    return f"{model.output.dim} values, {_rate(model)}{note}"


def _layers(model: Model) -> str:
    layers = model.output.layers
    if layers is None:
        return ""
    if isinstance(layers, int):
        return f"0 to {layers - 1}, default {model.output.default_layer}"
    return f"{', '.join(f'{name} ({dim})' for name, dim in layers.items())}; default {model.output.default_layer}"


def _parameter(model: Model, key: str) -> str:
    parameter = model.parameters[key]
    choices = f" of {', '.join(map(str, parameter.choices))}" if parameter.choices else ""
    return f"{parameter.about} (default {parameter.default}{choices})"


def _file(size: int | None, approx_size: int | None) -> str:
    return format_size(size) if size else f"about {format_size(approx_size or 0)}, not pinned yet"


def print_fetched(fetched: Fetched, out: Console) -> None:
    """Print what was fetched and proven, or would be."""
    plan = fetched.plan
    if not plan.downloads and not plan.renames:
        out.print("nothing to fetch: all is there" if not plan.left_out else "nothing that can be fetched is missing")
    for name in plan.left_out:
        out.print(Text(f"left out {name}, which is optional: no source of it can be fetched by this version", "dim"))
    for rename in plan.renames:
        out.print(f"{'would rename' if fetched.dry_run else 'renamed'} {rename.old} to {rename.file.path}")
    if fetched.dry_run:
        for download in plan.downloads:
            out.print(f"would fetch {format_size(download.size)} for {download.model.name}: {download.urls[0]}")
        out.print(f"peak {format_size(plan.peak)} on {fetched.mount}, of which {format_size(plan.kept)} stay")
        return
    for path, sha256 in fetched.proven:
        out.print(Text.assemble(("✓ ", "green"), path, (f"  sha256 {sha256[:16]}…", "bright_black")))
    if plan.downloads:
        out.print(
            f"{format_size(fetched.moved_bytes)} in {fetched.seconds:.1f} s; {format_size(plan.kept)} now on the shelf"
        )


def print_extraction(extraction: Extraction, out: Console) -> None:
    """Print what became of a library."""
    for warning in extraction.warnings:
        out.print(Text.assemble(("warning: ", "yellow"), warning), soft_wrap=True)
    speed = extraction.audio_seconds / extraction.seconds if extraction.seconds else 0.0
    out.print(
        f"{extraction.done} done: {extraction.audio_seconds:.1f} s of audio in {extraction.seconds:.1f} s"
        f" ({speed:.1f} times as fast as it plays), features in {extraction.out}"
    )


def print_checks(checks: Iterable[Check], out: Console) -> None:
    """Print what the doctor found, each thing with what mends it."""
    marks = {"ok": Text("✓", "green"), "missing": Text("✗", "red"), "optional": Text("!", "yellow")}
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for check in checks:
        found = Text(check.found)
        if check.mend:
            found.append(f"\n→ {check.mend}", "dim")
        table.add_row(marks[check.health], check.name, found)
    out.print(table)


def _by_message(failed: Iterable[dict[str, str]]) -> dict[str, list[str]]:
    """Say once what went wrong for several models."""
    models: dict[str, list[str]] = {}
    for failure in failed:
        models.setdefault(failure["message"], []).append(failure["model"])
    return models


def print_error(error: ModelctlError, out: Console) -> None:
    """Print what went wrong and the next step."""
    out.print(Text.assemble(("error: ", "bold red"), error.message), soft_wrap=True)
    if isinstance(error, PartialFailure):
        for warning in error.result.get("warnings", ()):
            out.print(Text.assemble(("warning: ", "yellow"), warning), soft_wrap=True)
        for message, models in _by_message(error.result["failed"]).items():
            out.print(Text(f"  {message} ({', '.join(models)})"), soft_wrap=True)
    if error.hint:
        out.print(Text.assemble(("hint: ", "bold"), error.hint), soft_wrap=True)
