"""What cannot be, beyond what the types of a manifest say. Decisions only."""

from __future__ import annotations

import re
from collections.abc import Mapping

from modelctl.errors import did_you_mean
from modelctl.model import LARGEST_SIZE, SCHEMES, Archive, File, Model
from modelctl.paths import reason_against_name, reason_against_path

Keys = tuple[str | int, ...]
Objection = tuple[Keys, str | None]
"""Where, and why not; None where there is nothing to object to."""

BEST_RATING = 5

_DIGEST = re.compile(r"[0-9a-f]{64}")
_FORMS = {
    "pypi": (
        re.compile(r"pypi:[A-Za-z0-9][\w.-]*==[\w.!+-]+/[A-Za-z0-9][\w.!+-]*\.whl"),
        "pypi:NAME==VERSION/FILE.whl",
    ),
    "hf": (re.compile(r"hf://(datasets/)?[\w.-]+/[\w.-]+@[\w./-]+/[^/@]+"), "hf://[datasets/]ORG/REPO@COMMIT/PATH"),
    "https": (re.compile(r"https://[^\s/]+/\S+"), "https://HOST/PATH"),
    "file": (re.compile(r"file:///.+"), "file:///PATH"),
    "manual": (re.compile(r"manual:.*\S.*", re.DOTALL), "manual:WHAT TO DO"),
}
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def objections(model: Model) -> list[Objection]:
    """Say what the types alone cannot: (keys, reason) for each thing that cannot be."""
    found: list[Objection] = [(("name",), reason_against_name(model.name))]
    if model.location is not None:
        found.append((("location",), reason_against_path(model.location.rstrip("/"))))
    if (model.bundled is None) == (not model.files):
        found.append((("files",), "a model has either files or a bundled library"))
    if model.files and model.location is None:
        found.append((("location",), "a model with files needs a location"))
    for name, archive in model.archives.items():
        found += [(("archives", name, *keys), why) for keys, why in _source_objections(archive)]
    for index, file in enumerate(model.files):
        found += [(("files", index, *keys), why) for keys, why in _file_objections(file, model)]
    found += _name_objections(model) + _word_objections(model)
    found += _contract_objections(model)
    for name, task in model.about.tasks.items():
        if not 1 <= task.rating <= BEST_RATING:
            found.append((("about", "tasks", name, "rating"), f"{task.rating} is no rating: 1 is poor, 5 is excellent"))
    return found


def _file_objections(file: File, model: Model) -> list[Objection]:
    found = _source_objections(file)
    found.append((("path",), reason_against_path(file.path)))
    found += [(("formerly", place), reason_against_path(name)) for place, name in enumerate(file.formerly)]
    if file.size is None and file.approx_size is None:
        found.append((("size",), "unknown: give `approx_size` beside `size: null`"))
    if bool(file.urls) == bool(file.taken_from):
        found.append((("urls",), "a file has either urls or taken_from"))
    if file.taken_from and file.taken_from.archive not in model.archives:
        name, known = file.taken_from.archive, ", ".join(model.archives) or "none"
        found.append((("taken_from",), f"no archive {name!r}{did_you_mean(name, model.archives)}; known: {known}"))
    return found


def _source_objections(source: File | Archive) -> list[Objection]:
    found: list[Objection] = []
    for index, url in enumerate(source.urls):
        scheme = url.partition(":")[0]
        if scheme not in SCHEMES or ":" not in url:
            found.append(
                (
                    ("urls", index),
                    f"unknown scheme {scheme!r}{did_you_mean(scheme, SCHEMES)}; known: {', '.join(SCHEMES)}",
                )
            )
    for index, url in enumerate(source.urls):
        form = _FORMS.get(url.partition(":")[0])
        if form and not form[0].fullmatch(url):
            found.append((("urls", index), f"{url!r} is not of the form {form[1]}"))
    if source.sha256 is not None and not _DIGEST.fullmatch(source.sha256):
        found.append(
            (
                ("sha256",),
                f"not a sha256: 64 lower-case hex digits are needed, these are {len(source.sha256)} characters",
            )
        )
    if source.size is not None and not 0 < source.size < LARGEST_SIZE:
        found.append((("size",), f"{source.size} bytes cannot be the size of a file"))
    return found


def _name_objections(model: Model) -> list[Objection]:
    taken: dict[str, int] = {}
    found: list[Objection] = []
    for index, file in enumerate(model.files):
        for name in file.names:
            key = name.casefold()
            if taken.setdefault(key, index) != index or file.names.count(name) > 1:
                found.append((("files", index), f"the name {name!r} stands for two files"))
    return found


def _word_objections(model: Model) -> list[Objection]:
    """Object to a word that names a module, a package, a folder or an image and is no plain word."""
    environment = model.environment
    words: list[tuple[Keys, str]] = [(("family",), model.family), (("environment", "name"), environment.name)]
    words += [(("environment", "extras", place), word) for place, word in enumerate(environment.extras)]
    words += [(("archives", name), name) for name in model.archives]
    if model.bundled:
        words.append((("bundled", "package"), model.bundled.package))
    modules: list[Objection] = [
        (("environment", "packages", place), f"{word!r} is no top-level module")
        for place, word in enumerate(environment.packages)
        if not word.isidentifier()
    ]
    return modules + [
        (keys, f"{word!r} is no plain word: letters, digits, '-', '_' and '.', starting with a letter or digit")
        for keys, word in words
        if not _WORD.fullmatch(word)
    ]


def _contract_objections(model: Model) -> list[Objection]:
    """Say where input and output contradict themselves."""
    heard, given = model.input, model.output
    numbers: list[tuple[Keys, float | None]] = [
        (("input", "sample_rate"), heard.sample_rate),
        (("input", "min_samples"), heard.min_samples),
        (("input", "window_seconds"), heard.window_seconds),
        (("output", "dim"), given.dim),
        (("output", "frame_rate"), given.frame_rate),
    ]
    found: list[Objection] = [
        (keys, f"{number:g} must be above zero") for keys, number in numbers if number is not None and number <= 0
    ]
    for key, layer in (("default_layer", given.default_layer), ("tag_layer", given.tag_layer)):
        if layer is not None and not _has_layer(given.layers, layer):
            known = [str(name) for name in given.layers] if isinstance(given.layers, Mapping) else []
            found.append((("output", key), f"no layer {layer!r}{did_you_mean(str(layer), known)}"))
    return found


def _has_layer(layers: int | Mapping[str, int] | None, layer: int | str) -> bool:
    if isinstance(layers, Mapping):
        return layer in layers
    return isinstance(layer, int) and 0 <= layer < (layers or 0)
