"""Words to one verb, its result to the screen."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from modelctl import __version__, interrupts
from modelctl.errors import PartialFailure, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from modelctl.verbs import Heard
    from modelctl.work import Work


def empty_app() -> typer.Typer:
    """Return an app without commands."""
    words = "Keeps a shelf of audio feature extractors, and runs all of them through one call."
    return typer.Typer(
        name="modelctl", help=words, rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False
    )


app = empty_app()


class Engine(StrEnum):
    """What starts a worker."""

    AUTO = "auto"
    HOST = "host"


class Level(StrEnum):
    """Every frame, or one pooled vector."""

    FRAMES = "frames"
    CLIP = "clip"


class Format(StrEnum):
    """How features lie on the disk."""

    NPZ = "npz"


Root = Annotated[Path | None, typer.Option("--root", metavar="DIR", help="The shelf (else MODELCTL_ROOT).")]
Manifests = Annotated[
    list[Path] | None, typer.Option("--manifests", metavar="DIR", help="One more folder of manifests; may be repeated.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Models = Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", show_default=False)]
Layer = Annotated[str | None, typer.Option(metavar="LAYER", help="A layer's number or name (see info).")]
Params = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="KEY=VALUE", help="A parameter of the model (see info); may be repeated."),
]
EngineOption = Annotated[Engine, typer.Option(help="What starts the model.")]
LevelOption = Annotated[Level, typer.Option(help="Every frame, or one vector a recording.")]


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"modelctl {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    root: Root = None,
    manifests: Manifests = None,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    context.obj = {"root": root, "manifests": manifests or []}


@app.command()
def status(
    context: typer.Context, models: Models = None, root: Root = None, manifests: Manifests = None, json: Json = False
) -> None:
    """Show the disks and the shelf; with MODEL, exit 1 unless each is ready."""
    from modelctl import verbs

    shown = verbs.status(_work(context, root, manifests), models or [])
    _show(json, lambda: _json().of_status(shown), lambda: _render().print_status(shown, _render().console()))
    raise typer.Exit(0 if not models or all(one.ready for one in shown.models) else 1)


@app.command("list")
def list_(
    context: typer.Context,
    task: Annotated[
        str | None, typer.Option("--for", metavar="TASK", help="Rank them for a task, with reasons.")
    ] = None,
    root: Root = None,
    manifests: Manifests = None,
    json: Json = False,
) -> None:
    """List the catalogue, or rank it for a task."""
    from modelctl import verbs

    ranked = verbs.catalogue(_work(context, root, manifests), task)
    _show(json, lambda: _json().of_catalogue(ranked), lambda: _render().print_catalogue(ranked, _render().console()))


@app.command()
def info(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", show_default=False)],
    root: Root = None,
    manifests: Manifests = None,
    json: Json = False,
) -> None:
    """Tell all there is to know of one model."""
    from modelctl import verbs

    shown = verbs.describe(_work(context, root, manifests), model)
    _show(json, lambda: _json().of_model(shown), lambda: _render().print_model(shown, _render().console()))


@app.command()
def doctor(context: typer.Context, root: Root = None, manifests: Manifests = None, json: Json = False) -> None:
    """Say what this machine lacks for the models, with the command that mends it; exit 1 where a model needs it."""
    from modelctl import doctor as doctors

    checks = doctors.examine(_work(context, root, manifests))
    _show(json, lambda: _json().of_checks(checks), lambda: _render().print_checks(checks, _render().console()))
    raise typer.Exit(1 if any(check.health is doctors.Health.MISSING for check in checks) else 0)


@app.command()
def fetch(
    context: typer.Context,
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", show_default=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    root: Root = None,
    manifests: Manifests = None,
    json: Json = False,
) -> None:
    """Download, prove by hash and give the right name; refused before the first byte if it would not fit."""
    from modelctl import verbs

    work = _work(context, root, manifests)
    with _activity(f"fetching {', '.join(models)}", quiet=json or dry_run):
        fetched = verbs.fetch(work, models, dry_run=dry_run)
    _show(json, lambda: _json().of_fetched(fetched), lambda: _render().print_fetched(fetched, _render().console()))


@app.command()
def run(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", show_default=False)],
    audio: Annotated[list[Path], typer.Argument(metavar="AUDIO...", show_default=False, readable=False)],
    layer: Layer = None,
    param: Params = None,
    level: LevelOption = Level.FRAMES,
    engine: EngineOption = Engine.AUTO,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Save the features (without --layer: of the default layer) as npz."),
    ] = None,
    root: Root = None,
    manifests: Manifests = None,
    json: Json = False,
) -> None:
    """Run one model and show its features: a tagger's tags, or a picture of the frames."""
    from modelctl import portrait, verbs

    work = _work(context, root, manifests)
    chosen = layer or (None if out else work.model(model).output.tag_layer)
    with _activity(f"{model} listens", quiet=json):
        heard = verbs.run(
            work,
            model,
            audio,
            out=out,
            layer=chosen,
            engine=engine.value,
            parameters=_parameters(param),
            level=level.value,
        )
    screen = _render().console()
    if heard.failed:
        _raise_partial(heard, json, screen)
    _show(json, lambda: _json().of_features(heard.done), lambda: portrait.print_all(heard.done, screen))


def _raise_partial(heard: Heard, json: bool, screen: Console) -> NoReturn:
    """Show what was heard, then say what was not."""
    from modelctl import portrait

    if not json:
        portrait.print_all(heard.done, screen)
    result = _json().of_features(heard.done) | {"failed": _json().failures(heard.failed)}
    count = f"{len(heard.failed)} of {len(heard.done) + len(heard.failed)} failed"
    raise PartialFailure(count, hint="the others are shown", result=result)


@app.command()
def extract(
    context: typer.Context,
    audio: Annotated[list[Path], typer.Argument(metavar="AUDIO|DIR...", show_default=False, readable=False)],
    model: Annotated[
        list[str], typer.Option("--model", metavar="M[,M]...|all", help="Which models; all: every one that is ready.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="PATH", help="A folder for the features, or for a single one a file.npz.")
    ],
    layer: Layer = None,
    param: Params = None,
    level: LevelOption = Level.FRAMES,
    engine: EngineOption = Engine.AUTO,
    format: Annotated[Format, typer.Option(help="How the features lie on the disk.")] = Format.NPZ,  # noqa: A002 - the flag's own name
    root: Root = None,
    manifests: Manifests = None,
    json: Json = False,
) -> None:
    """Put recordings, and folders of them, through models; features go to OUT/MODEL/NAME.npz."""
    from modelctl import verbs

    work = _work(context, root, manifests)
    with _progress(quiet=json) as report:
        extraction = verbs.extract(
            work,
            audio,
            [name.strip() for part in model for name in part.split(",") if name.strip()],
            out,
            format=format.value,
            level=level.value,
            report=report,
            layer=layer,
            engine=engine.value,
            parameters=_parameters(param),
        )
    done = _json().of_extraction(extraction)
    if extraction.failed:
        total = extraction.done + len(extraction.failed)
        hint = "the others are done" if extraction.done else "modelctl info MODEL says what a model hears"
        raise PartialFailure(f"{len(extraction.failed)} of {total} failed", hint=hint, result=done)
    _show(json, lambda: done, lambda: _render().print_extraction(extraction, _render().console()))


def _work(context: typer.Context, root: Path | None, manifests: list[Path] | None) -> Work:
    from modelctl.work import open_work

    return open_work(root=root or context.obj["root"], manifests=[*context.obj["manifests"], *(manifests or [])])


def _show(json: bool, value: Callable[[], Any], show: Callable[[], Any]) -> None:
    if json:
        typer.echo(_json().dumps(value()))
    else:
        show()


def _parameters(pairs: list[str] | None) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for pair in pairs or []:
        key, separator, value = pair.partition("=")
        if not separator:
            raise UsageError(f"--param {pair!r} is not KEY=VALUE", hint="write for example --param layout=compact")
        parameters[key] = value
    return parameters


def _json() -> Any:
    from modelctl import as_json

    return as_json


def _render() -> Any:
    from modelctl import render

    return render


@contextmanager
def _activity(words: str, *, quiet: bool) -> Iterator[None]:
    """Turn a wheel on stderr where that is a terminal; what comes now is long, so garbage is collected again."""
    gc.enable()
    if quiet or not sys.stderr.isatty():
        yield
        return
    with _render().wheel(words):
        yield


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[Path], None]]:
    """Count recordings on stderr where that is a terminal; what comes now is long, so garbage is collected again."""
    gc.enable()
    if quiet or not sys.stderr.isatty():
        yield lambda _path: interrupts.heed()
        return
    count = 0
    with _render().wheel("loading") as wheel:

        def report(path: Path) -> None:
            nonlocal count
            interrupts.heed()
            count += 1
            wheel.update(_render().plain(f"{count} done, last {path.name}"))

        yield report
