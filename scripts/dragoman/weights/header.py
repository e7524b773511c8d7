"""The header of a GGUF file: the model's architecture, its tokenizer, and the place of every tensor.

The format (github.com/ggml-org/ggml, docs/gguf.md), all numbers little-endian:

    "GGUF", version, number of tensors, number of keys
    keys      name, type, value: the architecture's sizes, the whole tokenizer
    tensors   name, shape (the innermost dimension first), kind of quantisation, place of the data
    data      each tensor at a multiple of `general.alignment`

The package `gguf` reads the header too, but takes ten seconds for a vocabulary of 262,144 tokens, and does not detect
truncated files.
"""

from __future__ import annotations

import math
import mmap
import struct
from pathlib import Path
from typing import Any, NamedTuple

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType, LlamaFileType

SCALARS = {
    GGUFValueType.UINT8: "<B",
    GGUFValueType.INT8: "<b",
    GGUFValueType.UINT16: "<H",
    GGUFValueType.INT16: "<h",
    GGUFValueType.UINT32: "<I",
    GGUFValueType.INT32: "<i",
    GGUFValueType.FLOAT32: "<f",
    GGUFValueType.BOOL: "<?",
    GGUFValueType.UINT64: "<Q",
    GGUFValueType.INT64: "<q",
    GGUFValueType.FLOAT64: "<d",
}
VERSIONS = (2, 3)


class Tensor(NamedTuple):
    """One tensor of the file."""

    name: str
    shape: tuple[int, ...]
    """Shape in torch's order, with the innermost dimension last."""
    kind: str
    """Quantisation type: F32, Q4_K, ..."""
    start: int
    """Offset of its data in the file, in bytes."""
    size: int
    """Size of its data in the file, in bytes."""


class Header(NamedTuple):
    """The header of a GGUF file: its keys with their values, and its tensors."""

    keys: dict[str, Any]
    tensors: list[Tensor]

    @property
    def architecture(self) -> str:
        """llama.cpp's name of the architecture."""
        return str(self.keys.get("general.architecture", ""))

    @property
    def weights(self) -> int:
        """Number of weights in all tensors."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors)

    @property
    def quantisation(self) -> str:
        """Quantisation of the file: Q4_K_M, Q8_0, F16; if the file does not name it, the types of its tensors."""
        try:
            return LlamaFileType(self.keys["general.file_type"]).name.removeprefix("MOSTLY_").removeprefix("ALL_")
        except (KeyError, ValueError):
            return ", ".join(sorted({tensor.kind for tensor in self.tensors}))


def read(path: Path) -> Header:
    """The header of a GGUF file, after a check that the file is complete.

    Raises:
        ValueError: the file is not GGUF, is truncated or damaged, or has an unknown version or quantisation.
    """
    with open(path, "rb") as file:
        start = file.read(8)
        if start[:4] != b"GGUF":
            raise ValueError(
                f"{path} is no GGUF file: it begins with {start[:4]!r}, not with b'GGUF'. Of a file that was cut into "
                "parts, the first part comes first"
            )
        version = int.from_bytes(start[4:8], "little")
        if version not in VERSIONS:
            big = int.from_bytes(start[4:8], "big") in VERSIONS
            raise ValueError(
                f"{path} is a GGUF file {'for big-endian machines' if big else f'of version {version}'}; only "
                f"little-endian files of version {' or '.join(map(str, VERSIONS))} are read"
            )
        size = path.stat().st_size
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                header = _Reader(data).header()
            except (struct.error, IndexError, OverflowError, MemoryError, RecursionError):
                raise ValueError(
                    f"{path} ends before its list of tensors does: it has {size:,} bytes. It is cut or damaged; fetch "
                    "it again, and name all of its parts in order"
                ) from None
            except (ValueError, UnicodeDecodeError) as error:
                raise ValueError(f"{path} is damaged, or of a kind that is not known: {error}") from None
    if not header.tensors:
        raise ValueError(f"{path} holds no weights, only a vocabulary; take the file of the whole model")
    needed = max(tensor.start + tensor.size for tensor in header.tensors)
    if needed > size:
        raise ValueError(
            f"{path} has {size:,} bytes, and its tensors need {needed:,}: it is cut, or a part is missing. Fetch it "
            "again, and name all of its parts"
        )
    return header


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.place = data, 8

    def header(self) -> Header:
        tensors, count = self._scalar("<Q"), self._scalar("<Q")
        keys = {}
        for _ in range(count):
            name = self._text()
            keys[name] = self._value(GGUFValueType(self._scalar("<I")))
        listed = [self._tensor() for _ in range(tensors)]
        alignment = keys.get("general.alignment", 32)
        first = -(-self.place // alignment) * alignment
        return Header(keys, [tensor._replace(start=first + tensor.start) for tensor in listed])

    def _scalar(self, form: str) -> Any:
        (value,) = struct.unpack_from(form, self.data, self.place)
        self.place += struct.calcsize(form)
        return value

    def _text(self) -> str:
        length = self._scalar("<Q")
        end = self.place + length
        if end > len(self.data):
            raise IndexError(end)
        text = self.data[self.place : end].decode("utf-8")
        self.place = end
        return text

    def _value(self, kind: GGUFValueType) -> Any:
        if kind in SCALARS:
            return self._scalar(SCALARS[kind])
        if kind == GGUFValueType.STRING:
            return self._text()
        inner, count = GGUFValueType(self._scalar("<I")), self._scalar("<Q")
        if inner not in SCALARS:
            return [self._value(inner) for _ in range(count)]
        form = f"<{count}{SCALARS[inner][1]}"
        values = struct.unpack_from(form, self.data, self.place)
        self.place += struct.calcsize(form)
        return list(values)

    def _tensor(self) -> Tensor:
        name, dimensions = self._text(), self._scalar("<I")
        shape = tuple(self._scalar("<Q") for _ in range(dimensions))[::-1]
        number, start = self._scalar("<I"), self._scalar("<Q")
        try:
            kind = GGMLQuantizationType(number)
        except ValueError:
            raise ValueError(f"the tensor {name} has the quantisation {number}, which no library here knows") from None
        block, size = GGML_QUANT_SIZES[kind]
        return Tensor(name, shape, kind.name, start, math.prod(shape) // block * size)
