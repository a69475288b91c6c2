"""Manifests that must be refused, each with its place, its reason and exit code 2."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import pytest

from modelctl import manifest
from modelctl.errors import ManifestError
from modelctl.yamlfile import LARGEST_FILE

TOY = """\
name: toy
title: Toy
location: Toy/
family: toy
homepage: https://example.org/toy
licence: {weights: MIT, code: MIT}
input: {sample_rate: 16000}
output: {dim: 4, frame_rate: 1.0}
about:
  type: a toy
  training_data: none
  genre_coverage: none
  genre_specific: "no"
  music_focus: none
  best_for: tests
  tasks:
    genre-classification:
      rank: 1
      rating: 1
      reason: it is a toy
environment: {name: host, packages: [torch]}
files:
  - path: toy.pth
    format: torch
    urls:
      - https://example.org/toy.pth
    size: 10
"""
LAST = TOY.count("\n")


class Bad(NamedTuple):
    """One slip: `old` of the toy becomes `new` (appended where `old` is empty); what is said, and of which line."""

    slip: str
    old: str
    new: str
    says: str
    line: int | None


def alias_bomb() -> str:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 10)]
    return "\n".join(levels) + "\n"


TABLE = [
    # what YAML itself makes of things
    Bad("duplicate key", "", "name: other\n", "the key 'name' stands twice (first on line 1)", LAST + 1),
    Bad("duplicate key below", "    size: 10\n", "    size: 10\n    size: 11\n", "'size' stands twice", LAST + 1),
    Bad("octal-like size", "size: 10", "size: 0123", "files[0].size: expected int | null, got text ('0123')", LAST),
    Bad("sexagesimal size", "size: 10", "size: 1:30", "files[0].size: expected int | null, got text ('1:30')", LAST),
    Bad("hexadecimal size", "size: 10", "size: 0xff", "files[0].size: expected int", LAST),
    Bad("number for a revision", "", "revision: 1234567\n", "revision: expected text | null, got int", LAST + 1),
    Bad("1.10 for a revision", "", "revision: 1.10\n", "revision: expected text | null, got float", LAST + 1),
    Bad("true for a title", "title: Toy", "title: true", "title: expected text, got bool", 2),
    Bad("python tag", "", "revision: !!python/object/apply:os.abort []\n", "os.abort is refused", LAST + 1),
    Bad("tag on a key", "", "!!python/name:os.abort x: 1\n", "a key must be a plain word", LAST + 1),
    Bad("list as a key", "", "? [a]\n: b\n", "a key must be a plain word", LAST + 1),
    Bad("alias bomb", TOY, alias_bomb(), "an alias stands for this value", 1),
    Bad("alias of itself", "", "archives: &x {wheel: *x}\n", "an alias stands for this value", LAST + 1),
    Bad("alias of a word", "title: Toy", "title: &t Toy\nrevision: *t", "an alias stands for this value", 2),
    Bad("2000 brackets", "", f"revision: {'[' * 2000}{']' * 2000}\n", "nested more than 50 levels", LAST + 1),
    Bad("200000 brackets", "", f"revision: {'[' * 200_000}\n", "nested more than 50 levels", LAST + 1),
    Bad("200000 dashes", "", f"revision:\n{'- ' * 200_000}\n", "nested more than 50 levels", LAST + 2),
    Bad("5000 digits", "size: 10", f"size: {'9' * 5000}", "files[0].size: expected int | null, got text", LAST),
    Bad("two documents", "", f"---\n{TOY}", "another document", LAST + 1),
    Bad("tabs", "", "\trevision: x\n", "found a tab character", LAST + 1),
    Bad("empty file", TOY, "", "the file is empty", None),
    Bad("only a comment", TOY, "# nothing\n", "the file is empty", None),
    Bad("a list", TOY, "- toy\n", "expected a mapping, got a list", 1),
    Bad("a sentence", TOY, "toy\n", "expected a mapping, got text ('toy')", 1),
    Bad("too large", "", "#" * LARGEST_FILE, "are too many for a manifest", None),
    Bad("raw NUL", "path: toy.pth", 'path: "toy\0.pth"', "control characters are not allowed", 1),
    # paths
    Bad("path upwards", "path: toy.pth", "path: ../../.ssh/authorized_keys", "files[0].path: '../../.ssh/", 23),
    Bad("path down and up", "path: toy.pth", "path: a/../../b", "'..' is refused", 23),
    Bad("absolute path", "path: toy.pth", "path: /etc/x", "the path must be relative", 23),
    Bad("home path", "path: toy.pth", "path: ~/x", "the path must be relative", 23),
    Bad("drive", "path: toy.pth", r"path: C:\x", "the path must be relative", 23),
    Bad("backslash", "path: toy.pth", r"path: a\x", "write forward slashes", 23),
    Bad("NUL", "path: toy.pth", r'path: "toy\0.pth"', "invisible or control character", 23),
    Bad("newline", "path: toy.pth", r'path: "toy\n.pth"', "invisible or control character", 23),
    Bad("right to left", "path: toy.pth", r'path: "toy\u202Ehtp.exe"', "invisible or control character", 23),
    Bad("trailing dot", "path: toy.pth", "path: toy.pth.", "ends with a dot", 23),
    Bad("trailing space", "path: toy.pth", 'path: "toy.pth "', "ends with a space", 23),
    Bad("300 characters", "path: toy.pth", f"path: {'x' * 300}", "longer than 240 bytes", 23),
    Bad("double slash", "path: toy.pth", "path: a//toy.pth", "not in its plain form: 'a/toy.pth'", 23),
    Bad("empty path", "path: toy.pth", 'path: ""', "files[0].path: an empty path", 23),
    Bad("location upwards", "location: Toy/", "location: ../Toy/", "location: '../Toy' leaves", 3),
    Bad(
        "formerly upwards",
        "format: torch",
        "format: torch\n    formerly: [a, ../b]",
        "files[0].formerly[1]: '../b'",
        25,
    ),
    Bad(
        "two names but for case",
        "",
        "  - {path: TOY.pth, format: torch, urls: ['https://example.org/x'], size: 1}\n",
        "files[1]: the name 'TOY.pth' stands for two files",
        LAST + 1,
    ),
    # sizes, urls, digests
    Bad("negative size", "size: 10", "size: -10", "files[0].size: -10 bytes cannot be", LAST),
    Bad("no bytes", "size: 10", "size: 0", "files[0].size: 0 bytes cannot be", LAST),
    Bad("a petabyte", "size: 10", "size: 1000000000000000", "cannot be the size of a file", LAST),
    Bad("30 zeros", "size: 10", f"size: 1{'0' * 30}", "files[0].size: expected int | null, got text", LAST),
    Bad("half a byte", "size: 10", "size: 10.5", "files[0].size: expected int | null, got float (10.5)", LAST),
    Bad("infinite size", "size: 10", "size: .inf", "files[0].size: expected int | null, got text ('.inf')", LAST),
    Bad("no size", "    size: 10\n", "", "files[0].size: unknown: give `approx_size`", 23),
    Bad("scheme", "- https:", "- htps:", "unknown scheme 'htps'; did you mean 'https'?", 26),
    Bad("no scheme", "- https://example.org/toy.pth", "- toy.pth", "files[0].urls[0]: unknown scheme", 26),
    Bad("short digest", "", "    sha256: abc\n", "files[0].sha256: not a sha256", LAST + 1),
    Bad("upper-case digest", "", f"    sha256: {'AB' * 32}\n", "64 lower-case hex digits", LAST + 1),
    Bad("numeric digest", "", "    sha256: 123\n", "files[0].sha256: expected text | null, got int", LAST + 1),
    Bad("no source", "    urls:\n      - https://example.org/toy.pth\n", "", "either urls or taken_from", 23),
    # words
    Bad("shell in the name", "name: toy", "name: toy; rm -rf ~", "name: 'toy; rm -rf ~' is no model name", 1),
    Bad("upper-case name", "name: toy", "name: Toy", "name: 'Toy' is no model name", 1),
    Bad("shell in the environment", "name: host", "name: x; rm -rf ~", "environment.name: 'x; rm -rf ~'", 21),
    Bad("option as environment", "name: host", "name: --privileged", "environment.name: '--privileged'", 21),
    Bad("line in a package", "[torch]", r'["torch\nRUN sh"]', r"environment.packages[0]: 'torch\nRUN sh'", 21),
    Bad("family elsewhere", "family: toy", "family: ../../evil", "family: '../../evil' is no plain word", 4),
    Bad("privileged", "", "privileged: true\n", "privileged: unknown key", LAST + 1),
    Bad("privileged inside", "name: host", "privileged: true", "environment.privileged: unknown key", 21),
    Bad("mistyped key", "title: Toy", "titel: Toy", "titel: unknown key; did you mean 'title'?", 2),
    Bad("mistyped key in a task", "reason: it", "raeson: it", "genre-classification.raeson: unknown key; did you", 20),
    Bad("missing key", "title: Toy\n", "", "the key 'title' is missing", 1),
    Bad("rating of 9", "rating: 1", "rating: 9", "about.tasks.genre-classification.rating: 9 is no rating", 19),
    Bad("rating in words", "rating: 1", "rating: good", "genre-classification.rating: expected int, got text", 19),
    Bad("mistyped format", "format: torch", "format: tourch", "did you mean 'torch'?", 24),
]


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad.slip)
def test_a_bad_manifest_is_refused_with_its_place(tmp_path: Path, bad: Bad) -> None:
    path = tmp_path / "toy.yaml"
    assert bad.old in TOY
    path.write_text(TOY.replace(bad.old, bad.new, 1) if bad.old else TOY + bad.new, encoding="utf-8")
    started = time.monotonic()

    with pytest.raises(ManifestError) as caught:
        manifest.load(path)

    place = f"{path}: " if bad.line is None else f"{path}:{bad.line}: "
    assert caught.value.message.startswith(place)
    assert bad.says in caught.value.message
    assert caught.value.exit_code == 2
    assert len(caught.value.message) < 500
    assert time.monotonic() - started < 0.5


def test_the_toy_itself_is_fine(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(TOY)
    assert list(manifest.load_all((tmp_path,))) == ["toy"]


@pytest.mark.parametrize("word", ["0123456", "on", "2026-11-22", "1:30", "1e5", "0x10"])
def test_a_word_that_yaml_would_bend_stays_text(tmp_path: Path, word: str) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(f"{TOY}revision: {word}\n")
    assert manifest.load(path).revision == word


@pytest.mark.parametrize(
    ("raw", "line"), [(TOY.encode() + b"# \xff\n", LAST + 1), (TOY.encode("utf-16"), 1)], ids=["stray byte", "UTF-16"]
)
def test_other_encodings_are_refused(tmp_path: Path, raw: bytes, line: int) -> None:
    path = tmp_path / "toy.yaml"
    path.write_bytes(raw)
    with pytest.raises(ManifestError, match=f":{line}: not UTF-8 text") as caught:
        manifest.load(path)
    assert caught.value.exit_code == 2


def test_a_byte_order_mark_is_no_reason_to_refuse(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + TOY.encode())
    assert manifest.load(path).name == "toy"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("location: Toy/", "location: Other/", r":1: name: 'toy' is taken by .*a\.yaml"),
        ("name: toy", "name: toy-two", r":3: location: 'toy/toy\.pth' belongs to toy already"),
        ("name: toy\ntitle: Toy\nlocation: Toy/", "name: toy-two\ntitle: Toy\nlocation: TOY", ":3: location: 'toy/toy"),
    ],
    ids=["one name", "one file", "one file but for case"],
)
def test_two_manifests_may_not_claim_one_thing(tmp_path: Path, old: str, new: str, says: str) -> None:
    (tmp_path / "a.yaml").write_text(TOY)
    (tmp_path / "b.yaml").write_text(TOY.replace(old, new, 1))
    with pytest.raises(ManifestError, match=says) as caught:
        manifest.load_all((tmp_path,))
    assert caught.value.exit_code == 2


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"none\.yaml: cannot be read: No such file"):
        manifest.load(tmp_path / "none.yaml")
