"""What a model is: YAML in, a frozen `Model` out.

A manifest is read once, strictly; after that nobody checks again. Whatever is wrong is a `ManifestError` that names the
file, the line, the key and, for a mistyped word, the nearest right one.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from modelctl import yamlfile
from modelctl.errors import ManifestError, UsageError, did_you_mean
from modelctl.model import Model
from modelctl.rules import Keys, objections

LONGEST_QUOTE = 60
"""Characters of a wrong value that an error repeats."""


def bundled_folder() -> Path:
    """Return the folder of the manifests that come with modelctl."""
    inside_wheel = Path(__file__).parent / "manifests"
    return inside_wheel if inside_wheel.is_dir() else Path(__file__).parent.parent / "manifests"


def load(path: Path) -> Model:
    """Read one manifest.

    Raises ManifestError: `FILE:LINE: KEY: what is wrong`, with the nearest right word in the hint.
    """
    raw = yamlfile.read(path)
    try:
        model = msgspec.convert(raw, Model)
    except msgspec.ValidationError as error:
        raise _explain(path, raw, str(error)) from error
    for keys, reason in objections(model):
        if reason:
            raise ManifestError(_place(path, keys, reason), hint="mend the manifest")
    return _frozen(model)


def _frozen(model: Model) -> Model:
    """Make the mappings as frozen as the rest."""
    for value, key in ((model, "archives"), (model, "parameters"), (model.about, "tasks"), (model.output, "layers")):
        held = getattr(value, key)
        if isinstance(held, dict):
            msgspec.structs.force_setattr(value, key, MappingProxyType(held))
    return model


def load_all(folders: tuple[Path, ...]) -> dict[str, Model]:
    """Read every manifest of the folders, by name; no two may share a name or a file of the shelf."""
    models: dict[str, Model] = {}
    origins: dict[str, Path] = {}
    claims: dict[str, str] = {}
    for path in (path for folder in folders for path in manifests_in(folder)):
        model = load(path)
        if model.name in models:
            raise ManifestError(
                _place(path, ("name",), f"{model.name!r} is taken by {origins[model.name]}"),
                hint="give it another name",
            )
        for name in (name for file in model.files for name in file.names):
            claim = f"{model.location}/{name}".replace("//", "/").casefold()
            if claims.setdefault(claim, model.name) != model.name:
                message = f"{claim!r} belongs to {claims[claim]} already"
                raise ManifestError(_place(path, ("location",), message), hint="give it a folder of its own")
        models[model.name] = model
        origins[model.name] = path
    return dict(sorted(models.items()))


def manifests_in(folder: Path) -> list[Path]:
    """Return the manifest files of a folder, by name."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder of manifests", hint="check MODELCTL_MANIFESTS and --manifests")
    found = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in found if path.suffix in (".yaml", ".yml"))


def json_schema() -> bytes:
    """Return the JSON Schema of a manifest, for editors."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Model)}
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def _explain(path: Path, raw: Any, message: str) -> ManifestError:
    """Turn msgspec's sentence into ours: the place, the key and the nearest right word."""
    problem, _, where = message.partition(" - at `$")
    keys, value, wanted = _follow(where.rstrip("`"), raw)
    if unknown := re.search(r"unknown field `(.*)`", problem):
        known = [field.encode_name for field in wanted.fields]
        reason = f"unknown key{did_you_mean(unknown[1], known)}"
        return ManifestError(_place(path, (*keys, unknown[1]), reason), hint=f"known here: {', '.join(known)}")
    if missing := re.search(r"missing required field `(.*)`", problem):
        return ManifestError(_place(path, keys, f"the key {missing[1]!r} is missing"), hint=f"add `{missing[1]}:`")
    if problem.startswith("Invalid enum value"):
        known = [str(choice) for choice in wanted.values]
        reason = f"{_short(value)} is none of {', '.join(known)}{did_you_mean(str(value), known)}"
        return ManifestError(_place(path, keys, reason), hint="use one of them")
    return ManifestError(_place(path, keys, _type_problem(problem, value)), hint=_type_hint(problem))


def _place(path: Path, keys: Keys, reason: str) -> str:
    line = yamlfile.line_of(path, keys)
    dotted = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
    return f"{path}:{line}: {dotted}: {reason}" if dotted else f"{path}:{line}: {reason}"


def _follow(where: str, raw: Any) -> tuple[Keys, Any, Any]:
    """Follow msgspec's path through the values and the types: (keys, value there, type wanted there)."""
    import msgspec.inspect

    keys: list[str | int] = []
    value, kind = raw, _bare(msgspec.inspect.type_info(Model))
    for field, step in re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", where):
        key: str | int
        if field:
            key, kind = field, next(one.type for one in kind.fields if one.encode_name == field)
        elif step == "...":
            kind = _bare(getattr(kind, "value_type", kind))
            key = _culprit(value, getattr(kind, "cls", int))
        else:
            key, kind = int(step), kind.item_type
        keys.append(key)
        value, kind = value[key], _bare(kind)
    return tuple(keys), value, kind


def _culprit(values: dict[str, Any], wanted: Any) -> str:
    """Return the key whose value is wrong: msgspec writes `[...]` for every key of a mapping."""
    for key, value in values.items():
        try:
            msgspec.convert(value, wanted)
        except msgspec.ValidationError:
            return key
    return next(iter(values))


def _bare(kind: Any) -> Any:
    """Look through `Annotated` and `X | None`."""
    while True:
        if isinstance(kind, msgspec.inspect.Metadata):
            kind = kind.type
        elif isinstance(kind, msgspec.inspect.UnionType):
            kind = next(one for one in kind.types if not isinstance(one, msgspec.inspect.NoneType))
        else:
            return kind


def _type_problem(problem: str, value: Any) -> str:
    """Say in YAML's words what was expected and what stands there."""
    words = (problem[0].lower() + problem[1:]).replace("`null`", "nothing").replace("`", "")
    for ours, theirs in (("text", "str"), ("a list", "array"), ("a mapping", "object")):
        words = re.sub(rf"\b{theirs}\b", ours, words)
    return words if isinstance(value, dict | list) else f"{words} ({_short(value)})"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"


def _type_hint(problem: str) -> str:
    if problem.startswith("Expected `str") and re.search(r"got `(int|float|bool)`", problem):
        return "quote it, so that it stays text"
    return "modelctl reads manifests strictly; manifests/schema.json names every key and its type"
