"""The host: a family loaded into this very process."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelctl.errors import EnvironmentFailure
from modelctl.model import Model

if TYPE_CHECKING:
    from modelctl.worker.protocol import Embed

FAMILIES = "modelctl.worker.families"


def families_folder() -> Path:
    """Return the folder in which a family is a module."""
    return Path(__file__).parent.parent / "worker" / "families"


def has_family(name: str) -> bool:
    """Tell whether this version can load that kind of model."""
    return (families_folder() / f"{name}.py").is_file()


def lacks(model: Model) -> tuple[str, ...]:
    """Return the packages that the model's family imports and this Python has not; nothing is imported."""
    return tuple(name for name in model.environment.packages if not _is_installed(name))


def how_to_install(model: Model) -> str:
    """Return the command that brings the packages a model needs."""
    return f"pip install 'modelctl[{','.join(model.environment.extras)}]'"


def why_not(model: Model) -> str | None:
    """Say why this machine cannot run the model's code, or return None."""
    if not has_family(model.family):
        return f"this version cannot run the family {model.family} yet"
    if missing := lacks(model):
        return f"{', '.join(missing)} not installed"
    return None


def start(model: Model, folder: Path | None, parameters: Mapping[str, Any]) -> Embed:
    """Load a model; `folder` is its place on the shelf, None for a library.

    Raises EnvironmentFailure where its family or a package is missing.
    """
    if reason := why_not(model):
        hint = how_to_install(model) if has_family(model.family) else "modelctl list shows what can run"
        raise EnvironmentFailure(f"{model.name}: {reason}", hint=hint)
    try:
        family = importlib.import_module(f"{FAMILIES}.{model.family}")
        embed: Embed = family.load(str(folder or ""), dict(parameters))
    except ImportError as error:
        raise EnvironmentFailure(f"{model.name}: {error}", hint=how_to_install(model)) from error
    return embed


@cache
def _is_installed(name: str) -> bool:
    return find_spec(name) is not None
