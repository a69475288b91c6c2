"""Where bytes come from: a url's scheme picks who streams them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlparse

from modelctl.errors import EnvironmentFailure, SourceFailure

Source = Callable[[str, Path], Path]
"""(url, an empty folder to work in) -> the file that now lies there."""


def from_index(url: str, folder: Path) -> Path:
    """Take `pypi:NAME==VERSION/FILE` from the package index that this machine's pip is set up for."""
    requirement, _, name = url.removeprefix("pypi:").partition("/")
    options = ["--quiet", "--no-input", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--dest", str(folder)]
    command = [*_pip(), "download", *options, "--", requirement]
    environ = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run(  # noqa: S603 - a list, no shell
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=environ
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise SourceFailure(f"{url}: {last}", hint="check the network and `pip config list`")
    wheel = folder / name
    if not wheel.is_file():
        got = ", ".join(path.name for path in folder.iterdir()) or "nothing"
        raise SourceFailure(f"{url}: pip brought {got} instead of {name}", hint="check `pip config list`")
    return wheel


def from_file(url: str, folder: Path) -> Path:
    """Copy `file:///path`, for shelves that are filled from another disk."""
    path = Path(unquote(urlparse(url).path))
    try:
        if path.exists() and not path.is_file():
            raise SourceFailure(f"{url}: no regular file", hint="check the path")
        return Path(shutil.copyfile(path, folder / path.name))
    except (OSError, ValueError) as error:
        raise SourceFailure(f"{url}: {getattr(error, 'strerror', None) or error}", hint="check the path") from error


SOURCES: dict[str, Source] = {"pypi": from_index, "file": from_file}
COPIES = {"pypi": 2, "file": 1}
"""How often what a source brings lies on the disk at once: pip copies from its temporary folder."""


def obtain(urls: tuple[str, ...], folder: Path) -> Path:
    """Return the file that the first working url gives; the last one's error where none works."""
    *others, last = urls
    for url in others:
        try:
            return _from(url, folder)
        except SourceFailure:
            continue
    return _from(last, folder)


def _from(url: str, folder: Path) -> Path:
    return SOURCES[url.partition(":")[0]](url, folder)


def _pip() -> list[str]:
    """Return how to call pip: this interpreter's, or one on PATH where this environment has none (uv makes such)."""
    from importlib.util import find_spec

    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    for name in ("pip3", "pip"):
        if found := shutil.which(name):
            return [found]
    raise EnvironmentFailure("pip is needed to ask the package index", hint=f"{sys.executable} -m ensurepip")
