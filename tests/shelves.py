"""Shelves and manifests that tests build in sight."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

USERS_TREE = {
    "VGGish/vggish-10086976.pth": 288_567_937,
    "MERT/MERT-v1-330M/pytorch_model.pth": 1_261_850_000,
    "CLAP/larger_clap_music/pytorch_model.pth": 776_444_665,
    "EnCodec/encodec_24khz/pytorch_model.pth": 93_180_000,
    "AST/ast-finetuned-audioset/pytorch_model.pth": 346_445_675,
    "HuBERT/hubert-large-ll60k/pytorch_model.pth": 1_261_890_000,
    "PANNs/cnn14/pytorch_model.pth": 346_445_675,
}
"""The record's seven folders: every .bin renamed, and a file of AST's size where PANNs should be.

Sizes that no source states (MERT, EnCodec, HuBERT) are the tensors' bytes and some for the container.
"""


def lay_out(root: Path, sizes: dict[str, int]) -> Path:
    """Make sparse files of these sizes below `root`."""
    for name, size in sizes.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as stream:
            os.truncate(stream.fileno(), size)
    return root


TOY = """\
name: {name}
title: A toy
location: {location}
family: {family}
homepage: https://example.org
licence: {{weights: MIT, code: MIT}}
input: {{sample_rate: 16000}}
output: {{dim: 3, frame_rate: 10.0}}
about:
  type: toy
  training_data: none
  genre_coverage: none
  genre_specific: "no"
  music_focus: none
  best_for: tests
  tasks:
    genre-classification: {{rank: 9, rating: 1, reason: it is a toy}}
files:
{files}
"""


def toy_manifest(
    folder: Path, *files: str, name: str = "toy", location: str = "Toy/", family: str = "toy", rest: str = ""
) -> Path:
    """Write the manifest of a toy model whose files are the given YAML blocks (see `toy_file`)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(TOY.format(name=name, location=location, family=family, files="\n".join(files)) + rest)
    return path


def toy_file(path: str, content: bytes, source: str | None = None, **more: object) -> str:
    """Return the YAML block of a file with this content; `source` is its url."""
    keys: dict[str, object] = {
        "format": "torch",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        **({"urls": [source]} if source else {}),
        **more,
    }
    lines = [f"  - path: {path}"]
    lines += [
        f"    {key}: {list(map(str, value)) if isinstance(value, list) else value}" for key, value in keys.items()
    ]
    return "\n".join(lines)


def put(path: Path, content: bytes) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
