"""The host: a family loaded into this very process."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelctl.errors import EnvironmentFailure
from modelctl.model import Model, Value

if TYPE_CHECKING:
    from modelctl.worker.protocol import Embed

FAMILIES = "modelctl.worker.families"
HEARING = ("numpy", "soundfile", "soxr")
"""What reading a recording takes, whatever the model."""


def families_folder() -> Path:
    """Return the folder in which a family is a module."""
    return Path(__file__).parent.parent / "worker" / "families"


def has_family(name: str) -> bool:
    """Tell whether this version can load that kind of model."""
    return (families_folder() / f"{name}.py").is_file()


def lacks(model: Model) -> tuple[str, ...]:
    """Return the packages that running the model takes and this Python has not; nothing is imported."""
    return tuple(name for name in (*model.environment.packages, *HEARING) if not _is_installed(name))


def has_packages(model: Model) -> bool:
    """Tell whether the packages of the model's own are installed."""
    return all(_is_installed(name) for name in model.environment.packages)


def how_to_install(model: Model) -> str:
    """Return the command that brings the packages a model needs."""
    return f"pip install 'modelctl[{','.join(model.environment.extras)}]'"


class Obstacle(Value, frozen=True):
    """Why this machine cannot run a model's code."""

    brief: str
    """A word or two, for a table."""
    reason: str
    hint: str


def why_not(model: Model) -> Obstacle | None:
    """Say why this machine cannot run the model's code, or return None."""
    if not has_family(model.family):
        reason = f"this version cannot run the family {model.family} yet"
        return Obstacle(brief="not yet", reason=reason, hint="modelctl status shows what can run")
    if missing := lacks(model):
        reason = f"{', '.join(missing)} not installed"
        return Obstacle(brief=f"no {missing[0]}", reason=reason, hint=how_to_install(model))
    return None


def require(model: Model) -> None:
    """Raise EnvironmentFailure where this machine cannot run the model's code."""
    if obstacle := why_not(model):
        raise EnvironmentFailure(f"{model.name}: {obstacle.reason}", hint=obstacle.hint)


def start(model: Model, folder: Path | None, parameters: Mapping[str, Any]) -> Embed:
    """Load a model; `folder` is its place on the shelf, None for a library.

    Raises EnvironmentFailure where its family or a package is missing.
    """
    require(model)
    try:
        family = importlib.import_module(f"{FAMILIES}.{model.family}")
        embed: Embed = family.load(str(folder or ""), dict(parameters))
    except ImportError as error:
        raise EnvironmentFailure(f"{model.name}: {error}", hint=how_to_install(model)) from error
    return embed


@cache
def _is_installed(name: str) -> bool:
    return find_spec(name) is not None
