"""A strict reader for YAML files: plain values out, every surprise refused with its line.

YAML's traps are closed rather than documented: a key may stand once, tags, anchors and aliases are refused, and only
`null`, `true`, `false`, decimal integers and decimal fractions are anything but text (`on`, `0123` and dates are text).
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import yaml

from modelctl.errors import ManifestError


class EmptyFile(ManifestError):
    """A file that holds nothing but comments; for a config file that is nothing wrong."""


LARGEST_FILE = 1 << 20
"""Bytes; a manifest is a page or two, and what is larger is something else."""

DEEPEST = 50
"""Levels of nesting; a manifest has about six."""
SAFE_NESTING = 2000
"""Levels that the C parser nests without running out of stack."""

_NUMBER = re.compile(r"(?P<int>-?(?:0|[1-9][0-9]{0,17}))|-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_UNTAGGED = ""


class _PlainTags:
    """Gives every node the same empty tag, so that a tag seen later was written in the file."""

    def resolve(self, _kind: Any, _value: Any, _implicit: Any) -> str:
        return _UNTAGGED

    def descend_resolver(self, _parent: Any, _index: Any) -> None:
        pass

    def ascend_resolver(self) -> None:
        pass


if yaml.__with_libyaml__:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]

    class _Reader(_PlainTags, CParser):
        """libyaml's parser: about ten times as fast as the one in Python."""

        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
else:  # pragma: no cover - the wheels of PyYAML all carry libyaml
    from yaml.composer import Composer
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.scanner import Scanner

    class _Reader(_PlainTags, Reader, Scanner, Parser, Composer):  # type: ignore[no-redef]
        """PyYAML's own parser, for machines without libyaml."""

        def __init__(self, text: str) -> None:
            Reader.__init__(self, text)
            Scanner.__init__(self)
            Parser.__init__(self)
            Composer.__init__(self)


def read(path: Path) -> Any:
    """Return what the file holds as dicts, lists, strings, numbers, booleans and None.

    Raises ManifestError, with the line, for whatever is not plain YAML.
    """
    return _plain(compose(path), path, set())


def compose(path: Path) -> Any:
    """Parse the file into nodes, which know their lines."""
    raw = _bytes(path)
    try:
        text = raw.decode("utf-8-sig")
        _refuse_abyss(text, path)
        node = _Reader(text).get_single_node()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"{path}:{line}: not UTF-8 text", hint="save the file as UTF-8") from error
    except yaml.YAMLError as error:
        raise ManifestError(f"{path}:{_line_of(error)}: not YAML: {_problem_of(error)}") from error
    except RecursionError as error:
        raise ManifestError(f"{path}: nested too deeply for a manifest") from error
    if node is None:
        raise EmptyFile(f"{path}: the file is empty", hint="a manifest starts with `name:`")
    return node


def _refuse_abyss(text: str, path: Path) -> None:
    """Refuse nesting that would overflow the C stack: libyaml's composer recurses and counts nothing.

    Brackets bound the depth of `[` and `{`, and columns that of indented blocks (a sequence may share its mapping's);
    only a text over the bound is walked by events, which do not recurse.
    """
    columns = max(map(len, text.splitlines()), default=0)
    if text.count("[") + text.count("{") + 2 * columns <= SAFE_NESTING:
        return
    reader, depth = _Reader(text), 0
    while (event := reader.get_event()) is not None:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise _too_deep(path, event.start_mark.line + 1 if event.start_mark else 1)


def _too_deep(path: Path, line: int) -> ManifestError:
    return ManifestError(f"{path}:{line}: nested more than {DEEPEST} levels deep", hint="a manifest has about six")


def _bytes(path: Path) -> bytes:
    """Read a regular file of a manifest's size; a pipe would be waited for, a device would never end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise ManifestError(f"{path}: no regular file", hint="check the path")
            raw = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read: {error.strerror}", hint="check the path") from error
    if len(raw) > LARGEST_FILE:
        raise ManifestError(f"{path}: more than {LARGEST_FILE} bytes are too many for a manifest")
    return raw


def line_of(path: Path, keys: tuple[str | int, ...]) -> int:
    """Return the line (from 1) at which the value under `keys` stands, or the nearest place above it."""
    node = compose(path)
    line = 1
    for key in keys:
        step = _child(node, key)
        if step is None:
            break
        line, node = step
    return line


def _child(node: Any, key: str | int) -> tuple[int, Any] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return name.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        value = node.value[key]
        return value.start_mark.line + 1, value
    return None


def _plain(node: Any, path: Path, seen: set[int], depth: int = 0) -> Any:
    line = node.start_mark.line + 1
    if node.tag:
        raise ManifestError(f"{path}:{line}: the tag {node.tag} is refused", hint="write plain values, without tags")
    if id(node) in seen:
        raise ManifestError(f"{path}:{line}: an alias stands for this value", hint="write the value out at each place")
    if depth > DEEPEST:
        raise _too_deep(path, line)
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, path, seen, depth + 1) for item in node.value]
    return _mapping(node, path, seen, depth)


def _mapping(node: Any, path: Path, seen: set[int], depth: int) -> dict[str, Any]:
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag:
            raise ManifestError(f"{path}:{line}: a key must be a plain word")
        if key.value in lines:
            raise ManifestError(
                f"{path}:{line}: the key {key.value!r} stands twice (first on line {lines[key.value]})",
                hint="keep one of the two",
            )
        lines[key.value] = line
        values[key.value] = _plain(value, path, seen, depth + 1)
    return values


def _scalar(node: Any) -> str | int | float | bool | None:
    text: str = node.value
    if node.style:
        return text
    if text in _WORDS:
        return _WORDS[text]
    number = _NUMBER.fullmatch(text)
    if number is None:
        return text
    return int(text) if number["int"] else float(text)


def _line_of(error: yaml.YAMLError) -> int:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return mark.line + 1 if mark else 1


def _problem_of(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or error).splitlines()[0]
