from __future__ import annotations

import hashlib
import json
import math
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from modelctl import manifest
from modelctl.checkpoint import (
    Tensor,
    is_weight,
    read_safetensors_header,
    read_tensorflow_index,
    tensorflow_to_safetensors,
)
from modelctl.errors import IntegrityFailure

TensorflowFiles = dict[str, tuple[bytes, bytes]]

MANIFEST = Path(__file__).parents[1] / "manifests" / "musicnn.yaml"
NUMBERS = {"MTT_musicnn": 792_079, "MSD_musicnn": 792_079, "MTT_vgg": 607_030, "MSD_vgg": 607_030}


@pytest.mark.parametrize("name", NUMBERS)
def test_converting_gives_the_very_bytes_that_the_manifest_states(name: str, tensorflow_files: TensorflowFiles) -> None:
    (stated,) = (file for file in manifest.load(MANIFEST).files if file.path == f"{name}.safetensors")

    converted = tensorflow_to_safetensors(*tensorflow_files[name])

    assert (len(converted), hashlib.sha256(converted).hexdigest()) == (stated.size, stated.sha256)
    assert sum(math.prod(tensor.shape) for tensor in read_safetensors_header(converted).values()) == NUMBERS[name]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_converted_file_holds_the_values_of_the_checkpoint(name: str, tensorflow_files: TensorflowFiles) -> None:
    index, data = tensorflow_files[name]
    told = {key: tensor for key, tensor in read_tensorflow_index(index).items() if is_weight(key)}

    arrays = safetensors.numpy.load(tensorflow_to_safetensors(index, data))

    assert {key: array.shape for key, array in arrays.items()} == {key: told[key].shape for key in told}
    for key, array in arrays.items():
        assert array.tobytes() == data[told[key].offset :][: told[key].size]


def test_the_optimiser_is_left_behind(tensorflow_files: TensorflowFiles) -> None:
    index, data = tensorflow_files["MTT_musicnn"]

    kept = set(read_safetensors_header(tensorflow_to_safetensors(index, data)))

    assert len(read_tensorflow_index(index)) == 150
    assert len(kept) == 64
    assert not {name for name in kept if "Adam" in name or "power" in name}
    assert kept >= {"conv2d/kernel", "conv2d_7/bias", "dense_1/kernel", "batch_normalization_10/moving_variance"}


def test_what_to_keep_is_the_callers_choice(tensorflow_files: TensorflowFiles) -> None:
    index, data = tensorflow_files["MTT_vgg"]

    converted = tensorflow_to_safetensors(index, data, keep=lambda name: name.startswith("dense/kernel"))

    assert list(read_safetensors_header(converted)) == ["dense/kernel", "dense/kernel/Adam", "dense/kernel/Adam_1"]


def test_a_converted_file_tells_what_it_was_made_from(tensorflow_files: TensorflowFiles) -> None:
    index, data = tensorflow_files["MSD_vgg"]

    converted = tensorflow_to_safetensors(index, data)

    length = int.from_bytes(converted[:8], "little")
    assert length % 8 == 0
    assert json.loads(converted[8 : 8 + length])["__metadata__"] == {
        "format": "tensorflow",
        "index_sha256": "50e499238457558bba9f34f8b84d4afb8279afd43520cdf0a4fdf805a49c9ca3",
        "data_sha256": "9683d756b8311146534f333502ebf4a2a78a3e320c54ab0411dff6186d8375fc",
    }


@pytest.mark.parametrize("cut", [1, 47, 48, 1000, 2993, 2994])
def test_an_index_cut_short_is_refused(cut: int, tensorflow_files: TensorflowFiles) -> None:
    index, _ = tensorflow_files["MTT_vgg"]

    with pytest.raises(IntegrityFailure, match="TensorFlow index: cut short"):
        read_tensorflow_index(index[:-cut])


def test_an_index_with_its_middle_missing_is_refused(tensorflow_files: TensorflowFiles) -> None:
    index, _ = tensorflow_files["MTT_vgg"]

    with pytest.raises(IntegrityFailure, match="TensorFlow index"):
        read_tensorflow_index(index[:1000] + index[2000:])


@pytest.mark.parametrize("change", [-1, 1])
def test_data_of_another_length_is_refused(change: int, tensorflow_files: TensorflowFiles) -> None:
    index, data = tensorflow_files["MTT_vgg"]
    wrong = (data + b"\0")[: len(data) + change]

    with pytest.raises(
        IntegrityFailure, match=rf"TensorFlow data: {len(wrong)} bytes, where the index tells of 7274112"
    ):
        tensorflow_to_safetensors(index, wrong)


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_damaged_index_is_read_or_refused_but_never_worse(mask: int, tensorflow_files: TensorflowFiles) -> None:
    index = bytearray(tensorflow_files["MTT_vgg"][0])
    refused = 0
    for place in range(0, len(index), 5):
        index[place] ^= mask
        try:
            read_tensorflow_index(bytes(index))
        except IntegrityFailure:
            refused += 1
        index[place] ^= mask
    assert refused > len(index) // 15


def varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    lines = [b"\0" + varint(len(key)) + varint(len(value)) + key + value for key, value in entries]
    return b"".join(lines) + struct.pack("<II", 0, 1)


def table(entries: list[tuple[bytes, bytes]], kind: int = 0) -> bytes:
    data, trailer = block(entries), bytes([kind]) + b"crc."
    index = block([(b"~", varint(0) + varint(len(data)))])
    start = len(data) + len(trailer)
    footer = varint(0) + varint(0) + varint(start) + varint(len(index))
    return data + trailer + index + b"\0crc." + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


HEADER = (b"", field(1, 1))
SHAPE = field(2, field(1, 2)) + field(2, field(1, 3))
WEIGHT = field(1, 1) + field(2, SHAPE) + field(4, 8) + field(5, 24) + b"\x35crc."


def test_an_index_is_read_as_the_format_says() -> None:
    index = table([HEADER, (b"scalar", field(1, 9) + field(5, 8)), (b"weight", WEIGHT)])

    assert read_tensorflow_index(index) == {
        "scalar": Tensor("I64", (), 0, 8),
        "weight": Tensor("F32", (2, 3), 8, 24),
    }


@pytest.mark.parametrize(
    ("index", "message"),
    [
        pytest.param(b"", "cut short", id="empty"),
        pytest.param(table([HEADER], kind=1), "the block at byte 0 is compressed", id="compressed"),
        pytest.param(table([(b"weight", WEIGHT)]), "its header is missing", id="another table"),
        pytest.param(table([(b"", field(1, 2))]), "only checkpoints of one shard", id="two shards"),
        pytest.param(table([(b"", field(1, 1) + field(2, 1))]), "little-endian", id="big-endian"),
        pytest.param(table([HEADER, (b"w", WEIGHT), (b"w", WEIGHT)]), "'w' stands twice", id="twice"),
        pytest.param(table([HEADER, (b"w", WEIGHT + field(5, 20))]), r"20 bytes for F32 \[2, 3\]", id="size"),
        pytest.param(table([HEADER, (b"w", field(1, 7))]), "w: not a plain tensor", id="strings"),
        pytest.param(table([HEADER, (b"w", WEIGHT + field(3, 1))]), "w: not a plain tensor", id="other shard"),
        pytest.param(table([HEADER, (b"w", WEIGHT + field(7, b""))]), "w: not a plain tensor", id="sliced"),
        pytest.param(table([HEADER, (b"w", b"\x0b")]), "a field of unknown kind 3", id="field kind"),
        pytest.param(table([HEADER, (b"w", b"\x08" + b"\xff" * 10)]), "a number that does not end", id="varint"),
        pytest.param(table([HEADER, (b"w", b"\x12\x7f")]), "runs past the end", id="overlong field"),
        pytest.param(
            table([HEADER, (b"w", field(1, 1) + field(2, field(2, field(1, 1 << 64))) + field(5, 4))]),
            "no tensor has such a shape",
            id="negative length",
        ),
        pytest.param(
            table([HEADER, (b"w", field(1, 1) + field(2, SHAPE * 40))]),
            "no tensor has such a shape",
            id="80 dimensions",
        ),
    ],
)
def test_an_index_that_cannot_be_is_refused(index: bytes, message: str) -> None:
    with pytest.raises(IntegrityFailure, match=message):
        read_tensorflow_index(index)


def test_a_safetensors_header_is_read_from_a_path_and_from_bytes(tmp_path: Path) -> None:
    raw = safetensors.numpy.save({"b": np.zeros((2, 3), np.float32), "a": np.zeros(5, np.int64)}, {"made": "by hand"})
    path = tmp_path / "small.safetensors"
    path.write_bytes(raw)
    start = 8 + int.from_bytes(raw[:8], "little")

    tensors = read_safetensors_header(path)

    assert tensors == {"a": Tensor("I64", (5,), start, 40), "b": Tensor("F32", (2, 3), start + 40, 24)}
    assert read_safetensors_header(raw) == tensors


def made(header: Any, values: bytes = b"12345678") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + values


def four(begin: Any, end: Any, **others: Any) -> dict[str, Any]:
    return {"dtype": "U8", "shape": [4], "data_offsets": [begin, end], **others}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param(b"", "cut short", id="empty"),
        pytest.param(b"PK\x03\x04" * 100, "not safetensors, or cut short", id="a zip"),
        pytest.param(struct.pack("<Q", 1 << 63) + b"{}", "a header of 9223372036854775808", id="endless header"),
        pytest.param(made({"a": four(0, 4), "b": four(4, 8)})[:-1], "where the header tells of", id="cut short"),
        pytest.param(made({"a": four(0, 4), "b": four(4, 8)}) + b"9", "where the header tells of", id="trailing byte"),
        pytest.param(made(b"{'a': 1}"), "is not JSON", id="not JSON"),
        pytest.param(made(b"[" * 100_000), "is not JSON", id="nested"),
        pytest.param(made(b"\xff{}"), "is not JSON", id="not UTF-8"),
        pytest.param(made([]), "is not a JSON object", id="a list"),
        pytest.param(made(b'{"a": {}, "a": {}}'), "names 'a' twice", id="a name twice"),
        pytest.param(made(b'{"a": {"dtype": "U8", "dtype": "U8"}}'), "names 'dtype' twice", id="a key twice"),
        pytest.param(made({"a": four(0, 4), "b": four(2, 6)}), "b starts at byte", id="overlap"),
        pytest.param(made({"a": four(0, 4), "b": four(5, 9)}), "b starts at byte", id="hole"),
        pytest.param(made({"a": four(0, 3)}), "a: 3 bytes for U8", id="size"),
        pytest.param(made({"a": four(-4, 0)}), "a: .* does not describe a tensor", id="negative"),
        pytest.param(made({"a": four(False, 4)}), "a: .* does not describe a tensor", id="not a number"),
        pytest.param(made({"a": four(0, 4, more=1)}), "a: .* does not describe a tensor", id="unknown key"),
        pytest.param(made({"a": four(0, 4, dtype="U9")}), "a: .* does not describe a tensor", id="dtype"),
        pytest.param(made({"a": four(0, 4, shape=[1 << 62] * 50)}), "a: 4 bytes", id="overflow"),
        pytest.param(made({"a": four(0, 4, shape=[1] * 65)}), "no tensor has such a shape", id="65 dimensions"),
        pytest.param(made({"a": four(0, 8), "__metadata__": {"made": 1}}), "notes are not texts", id="notes"),
        pytest.param(made({"a": [1, 2]}), "a: .* does not describe a tensor", id="a list for a tensor"),
        pytest.param(made({f"{n}": 0 for n in range(100_000)}), "100000 tensors are too many", id="100,000"),
    ],
)
def test_a_safetensors_file_that_cannot_be_is_refused(raw: bytes, message: str) -> None:
    with pytest.raises(IntegrityFailure, match=message):
        read_safetensors_header(raw)


def test_an_error_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"not weights")

    with pytest.raises(IntegrityFailure, match=f"^{path}: "):
        read_safetensors_header(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "U8", "F32"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["dtype", "shape", "a"]), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b", "__metadata__"]), JSON))
def test_no_header_makes_the_reader_fall_over(header: dict[str, Any]) -> None:
    try:
        tensors = read_safetensors_header(made(header, b""))
    except IntegrityFailure:
        return
    assert not {name: tensor for name, tensor in tensors.items() if tensor.size}


def test_reading_a_checkpoint_needs_no_library() -> None:
    code = "import sys, modelctl.checkpoint; print({'numpy', 'torch', 'safetensors'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout == "set()\n"
