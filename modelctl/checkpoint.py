"""Tensor names and shapes of a checkpoint, read from its bytes: nothing in it is run and no library is asked.

Two formats are read: the index of a TensorFlow checkpoint (V2, the "tensor bundle"), and the header of safetensors.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from modelctl.errors import IntegrityFailure

LARGEST_HEADER = 1 << 23
"""Bytes; a safetensors header of 8 MiB would name some hundred thousand tensors."""
MOST_TENSORS = 1 << 16
MOST_DIMENSIONS = 64
LARGEST_NUMBER = 1 << 63

_BYTES = {
    dtype: size
    for size, dtypes in {1: "BOOL U8 I8", 2: "U16 I16 F16 BF16", 4: "U32 I32 F32", 8: "U64 I64 F64"}.items()
    for dtype in dtypes.split()
}
_TENSORFLOW = dict(
    zip(
        (1, 2, 3, 4, 5, 6, 9, 10, 14, 17, 19, 22, 23),
        ("F32", "F64", "I32", "U8", "I16", "I8", "I64", "BOOL", "BF16", "U16", "F16", "U32", "U64"),
        strict=True,
    )
)
"""TensorFlow's numbers for its types (types.proto)."""
_FOOTER = 48
_TABLE_MAGIC = 0xDB4775248B80FB57
_BLOCK_TRAILER = 5
_LONGEST_VARINT = 10


class Tensor(NamedTuple):
    """One tensor of a checkpoint: what it is, and where its bytes lie."""

    dtype: str
    """As safetensors names it: F32, F16, I64, …"""
    shape: tuple[int, ...]
    offset: int
    """Bytes from the start of the file that holds the values."""
    size: int
    """Bytes."""


def read_safetensors_header(source: Path | bytes) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, by name, in the order in which their bytes lie.

    Reads the header alone. Raises IntegrityFailure for whatever the format does not allow: a header or a tensor that
    runs past the end, a name that stands twice, sizes that do not fit the shapes, bytes that overlap or belong to
    nothing. Raises OSError where the file cannot be read.
    Source: the "Format" section of safetensors' README.
    """
    place = f"{source}" if isinstance(source, Path) else "safetensors"
    with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
        total = file.seek(0, io.SEEK_END)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if length > min(total - 8, LARGEST_HEADER):
            raise IntegrityFailure(f"{place}: not safetensors, or cut short: {total} bytes, a header of {length}")
        header = _json(file.read(length), place)
    notes = header.pop("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
        raise IntegrityFailure(f"{place}: the safetensors header's notes are not texts")
    if len(header) > MOST_TENSORS:
        raise IntegrityFailure(f"{place}: {len(header)} tensors are too many (at most {MOST_TENSORS})")
    tensors = {name: _entry(entry, 8 + length, f"{place}: {name}") for name, entry in header.items()}
    return _side_by_side(tensors, 8 + length, total, place)


def _json(raw: bytes, place: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, value in pairs:
            if name in values:
                raise IntegrityFailure(f"{place}: the header names {name!r} twice")
            values[name] = value
        return values

    try:
        header = json.loads(raw.decode(), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise IntegrityFailure(f"{place}: the safetensors header is not JSON") from error
    if not isinstance(header, dict):
        raise IntegrityFailure(f"{place}: the safetensors header is not a JSON object")
    return header


def _entry(entry: Any, start: int, place: str) -> Tensor:
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [begin, end], **others} if (
            not others
            and dtype in _BYTES
            and all(type(number) is int and number >= 0 for number in (*shape, begin, end))
        ):
            tensor = Tensor(dtype, tuple(shape), start + begin, end - begin)
        case _:
            raise IntegrityFailure(f"{place}: the safetensors header does not describe a tensor")
    return _of_its_size(tensor, place)


def _side_by_side(tensors: dict[str, Tensor], start: int, total: int, place: str) -> dict[str, Tensor]:
    ordered = dict(sorted(tensors.items(), key=lambda item: (item[1].offset, item[1].size)))
    position = start
    for name, tensor in ordered.items():
        if tensor.offset != position:
            raise IntegrityFailure(f"{place}: {name} starts at byte {tensor.offset}, the one before ends at {position}")
        position += tensor.size
    if position != total:
        raise IntegrityFailure(f"{place}: {total} bytes, where the header tells of {position}")
    return ordered


def _of_its_size(tensor: Tensor, place: str) -> Tensor:
    if len(tensor.shape) > MOST_DIMENSIONS or max(tensor.shape, default=0) > LARGEST_NUMBER:
        raise IntegrityFailure(f"{place}: no tensor has such a shape")
    expected = math.prod(tensor.shape) * _BYTES[tensor.dtype]
    if tensor.size != expected:
        raise IntegrityFailure(
            f"{place}: {tensor.size} bytes for {tensor.dtype} {list(tensor.shape)}, which takes {expected}"
        )
    return tensor


def is_weight(name: str) -> bool:
    """Tell whether a TensorFlow variable is part of the model, and not the optimiser's (Adam's slots and powers)."""
    return not name.endswith(("/Adam", "/Adam_1")) and name not in ("beta1_power", "beta2_power", "global_step")


def tensorflow_to_safetensors(index: bytes, data: bytes, keep: Callable[[str], bool] = is_weight) -> bytes:
    """Return a TensorFlow checkpoint of one shard as a safetensors file: the same input gives the same bytes.

    Names, layouts and values stay as TensorFlow has them (a kernel is height, width, in, out); the header tells the
    hashes of what it was made from. Raises IntegrityFailure as `read_tensorflow_index` does, or where `data` has
    another length than the index tells of.
    """
    tensors = read_tensorflow_index(index)
    told = max((tensor.offset + tensor.size for tensor in tensors.values()), default=0)
    if told != len(data):
        raise IntegrityFailure(f"TensorFlow data: {len(data)} bytes, where the index tells of {told}")
    # The widest numbers come first, as in files of the safetensors library: then each tensor lies aligned.
    names = sorted(filter(keep, tensors), key=lambda name: (-_BYTES[tensors[name].dtype], name))
    origin = {
        "format": "tensorflow",
        "index_sha256": hashlib.sha256(index).hexdigest(),
        "data_sha256": hashlib.sha256(data).hexdigest(),
    }
    header: dict[str, Any] = {"__metadata__": origin}
    position = 0
    for name in names:
        dtype, shape, _, size = tensors[name]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + size]}
        position += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    values = (data[tensor.offset : tensor.offset + tensor.size] for tensor in map(tensors.__getitem__, names))
    return b"".join([struct.pack("<Q", len(text)), text, *values])


def read_tensorflow_index(index: bytes) -> dict[str, Tensor]:
    """Return the tensors that a TensorFlow checkpoint's `.index` tells of, by name; offsets are into its data file.

    Raises IntegrityFailure where the table is cut short, compressed, not little-endian, of several shards, or tells
    of a tensor that cannot be.
    Source: tensorflow/core/protobuf/tensor_bundle.proto, and LevelDB's doc/table_format.md for the table around it.
    """
    if len(index) < _FOOTER or int.from_bytes(index[-8:], "little") != _TABLE_MAGIC:
        raise IntegrityFailure("TensorFlow index: cut short, or no index at all: it does not end as one")
    footer = _Cursor(index[-_FOOTER:])
    _notes = footer.varint(), footer.varint()  # the place of the table's own notes, which a checkpoint does not have
    entries: dict[str, bytes] = {}
    for _, handle in _block(index, footer.varint(), footer.varint()):
        where = _Cursor(handle)
        for key, value in _block(index, where.varint(), where.varint()):
            name = key.decode(errors="replace")
            if name in entries:
                raise IntegrityFailure(f"TensorFlow index: {name!r} stands twice")
            entries[name] = value
    _check_header(entries.pop("", None))
    return {name: _bundle_entry(name, entry) for name, entry in entries.items()}


class _Cursor:
    """Reads bytes from first to last, and refuses to run past the end."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._position = raw, 0

    @property
    def more(self) -> bool:
        return self._position < len(self._raw)

    def take(self, count: int) -> bytes:
        taken = self._raw[self._position : self._position + count]
        if len(taken) < count:
            raise IntegrityFailure("TensorFlow index: damaged: a value runs past the end of its block")
        self._position += count
        return taken

    def varint(self) -> int:
        value = 0
        for place in range(_LONGEST_VARINT):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << 7 * place
            if byte < 0x80:  # noqa: PLR2004 - the bit that says: there is more
                return value
        raise IntegrityFailure("TensorFlow index: damaged: a number that does not end")


def _block(index: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    end = offset + size
    if end + _BLOCK_TRAILER > len(index) - _FOOTER:
        raise IntegrityFailure(f"TensorFlow index: cut short: a block ends at byte {end} of {len(index)}")
    if index[end]:
        raise IntegrityFailure(f"TensorFlow index: the block at byte {offset} is compressed, which is not read")
    restarts = 4 + 4 * int.from_bytes(index[end - 4 : end], "little")
    if restarts > size:
        raise IntegrityFailure(f"TensorFlow index: damaged: the block at byte {offset} has no room for its entries")
    entries = _Cursor(index[offset : end - restarts])
    key = b""
    while entries.more:
        shared, own, length = entries.varint(), entries.varint(), entries.varint()
        key = key[:shared] + entries.take(own)
        yield key, entries.take(length)


def _message(raw: bytes) -> tuple[dict[int, int], dict[int, list[bytes]]]:
    """Return a protocol buffer's numbers and its nested messages, both by field; fixed-width fields are passed over."""
    fields = _Cursor(raw)
    numbers: dict[int, int] = {}
    messages: dict[int, list[bytes]] = {}
    while fields.more:
        tag = fields.varint()
        match tag & 7:
            case 0:
                numbers[tag >> 3] = fields.varint()
            case 1:
                fields.take(8)
            case 2:
                messages.setdefault(tag >> 3, []).append(fields.take(fields.varint()))
            case 5:
                fields.take(4)
            case kind:
                raise IntegrityFailure(f"TensorFlow index: damaged: a field of unknown kind {kind}")
    return numbers, messages


def _check_header(entry: bytes | None) -> None:
    if entry is None:
        raise IntegrityFailure("TensorFlow index: a table, but not of a checkpoint: its header is missing")
    numbers, _ = _message(entry)
    if numbers.get(1, 0) != 1 or numbers.get(2, 0):
        raise IntegrityFailure("TensorFlow index: only checkpoints of one shard, little-endian, are read")


def _bundle_entry(name: str, entry: bytes) -> Tensor:
    numbers, messages = _message(entry)
    dtype = _TENSORFLOW.get(numbers.get(1, 0))
    if dtype is None or numbers.get(3, 0) or messages.get(7):
        raise IntegrityFailure(f"TensorFlow index: {name}: not a plain tensor of numbers")
    dims = [dim for shape in messages.get(2, []) for dim in _message(shape)[1].get(2, [])]
    shape = tuple(_message(dim)[0].get(1, 0) for dim in dims)
    tensor = Tensor(dtype, shape, numbers.get(4, 0), numbers.get(5, 0))
    return _of_its_size(tensor, f"TensorFlow index: {name}")
