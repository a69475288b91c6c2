"""Where the shelf lies and what it may take: defaults, then the config file, then the environment, then flags."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelctl import yamlfile
from modelctl.errors import UsageError, did_you_mean
from modelctl.manifest import bundled_folder
from modelctl.model import Value
from modelctl.units import parse_size

KEYS = ("root", "manifests", "budget", "keep_free")


class Settings(Value, frozen=True):
    """What a user may set."""

    root: Path
    """The shelf; it need not exist yet."""
    manifests: tuple[Path, ...]
    """Folders of manifests, modelctl's own first."""
    budget: int | None = None
    """Bytes the whole shelf may take; None: as much as fits."""
    keep_free: int = 0
    """Bytes that stay free on every file system that modelctl writes to."""


def read_settings(
    environ: Mapping[str, str] = os.environ,
    *,
    root: str | Path | None = None,
    manifests: Sequence[str | Path] = (),
) -> Settings:
    """Gather the settings; the arguments are the flags and win.

    Raises UsageError for a value that cannot be used, naming where it stands.
    """
    config = _read_config(environ)
    budget = environ.get("MODELCTL_BUDGET") or config.get("budget")
    keep_free = environ.get("MODELCTL_KEEP_FREE") or config.get("keep_free")
    folders = [*_as_list(config.get("manifests")), *_split(environ.get("MODELCTL_MANIFESTS")), *manifests]
    return Settings(
        root=_path(root or environ.get("MODELCTL_ROOT") or config.get("root") or _default_root(environ)),
        manifests=tuple(dict.fromkeys([bundled_folder(), *map(_path, folders)])),
        budget=None if budget is None else _size(budget, "budget"),
        keep_free=0 if keep_free is None else _size(keep_free, "keep_free"),
    )


def config_path(environ: Mapping[str, str]) -> Path:
    """Return where the config file is looked for."""
    if named := environ.get("MODELCTL_CONFIG"):
        return _path(named)
    return _path(environ.get("XDG_CONFIG_HOME") or "~/.config") / "modelctl" / "config.yaml"


def _read_config(environ: Mapping[str, str]) -> dict[str, Any]:
    path = config_path(environ)
    if not path.exists():
        if environ.get("MODELCTL_CONFIG"):
            raise UsageError(f"{path}: no such config file", hint="check MODELCTL_CONFIG")
        return {}
    try:
        config = yamlfile.read(path)
    except yamlfile.EmptyFile:
        return {}
    if not isinstance(config, dict):
        raise UsageError(f"{path}: a config file holds keys and values", hint=f"known keys: {', '.join(KEYS)}")
    for key in config:
        if key not in KEYS:
            line = yamlfile.line_of(path, (key,))
            raise UsageError(
                f"{path}:{line}: unknown key {key!r}{did_you_mean(str(key), KEYS)}",
                hint=f"known keys: {', '.join(KEYS)}",
            )
    for key, value in config.items():
        if not _fits(key, value):
            wanted = "text, or a list of texts" if key == "manifests" else "text" if key == "root" else "a size"
            raise UsageError(
                f"{path}:{yamlfile.line_of(path, (key,))}: {key}: {wanted} was expected", hint="see README"
            )
    return config


def _fits(key: str, value: Any) -> bool:
    if key == "manifests" and isinstance(value, list):
        return all(isinstance(one, str) for one in value)
    return isinstance(value, str) or (key in ("budget", "keep_free") and isinstance(value, int | float))


def _default_root(environ: Mapping[str, str]) -> str:
    return f"{environ.get('XDG_DATA_HOME') or '~/.local/share'}/modelctl/models"


def _size(text: str | int, key: str) -> int:
    try:
        return parse_size(text)
    except UsageError as error:
        where = f"MODELCTL_{key.upper()}, or {key} in the config file"
        raise UsageError(f"{error.message} ({where})", hint=error.hint) from error


def _path(text: str | Path) -> Path:
    expanded = os.path.expanduser(text)  # noqa: PTH111 - it leaves what it cannot expand
    if expanded.startswith("~"):
        raise UsageError(f"{text}: this user has no home folder", hint="set MODELCTL_ROOT and MODELCTL_CONFIG")
    return Path(os.path.abspath(expanded))  # noqa: PTH100 - a link in the path stays a link


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _split(text: str | None) -> list[str]:
    return [part for part in (text or "").split(os.pathsep) if part]
