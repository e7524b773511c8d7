"""Small fastText models, written byte by byte: known words each vote for one label."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

SOFTMAX, SUPERVISED = 3, 3


def write(path: Path, labels: Sequence[str], words: Mapping[str, Mapping[str, float]], supervised: bool = True) -> None:
    """A model of one softmax layer over the mean of word vectors, each of which is the votes of a word.

    Args:
        labels: in the file's order, without `__label__`.
        words: word -> label -> vote. `</s>` is the end of every line.
    """
    dim, kind = len(labels), SUPERVISED if supervised else 1
    # magic, version; dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn, lrUpdateRate; t
    content = struct.pack("<2i", 793712314, 12)
    content += struct.pack("<12id", dim, 5, 1, 1, 5, 1, SOFTMAX, kind, 0, 0, 0, 100, 1e-4)
    content += struct.pack("<3i2q", len(words) + len(labels), len(words), len(labels), 100, -1)
    for entry, is_label in [(word, 0) for word in words] + [(f"__label__{label}", 1) for label in labels]:
        content += entry.encode() + b"\0" + struct.pack("<qb", 1, is_label)
    vectors = [[votes.get(label, 0.0) for label in labels] for votes in words.values()]
    unit = [[float(row == column) for column in range(dim)] for row in range(dim)]
    for matrix in (vectors, unit):
        content += struct.pack("<?2q", False, len(matrix), dim)
        content += b"".join(struct.pack(f"<{dim}f", *row) for row in matrix)
    path.write_bytes(content)
