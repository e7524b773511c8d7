"""Text of a language for decoders and priors: the target side of a prepared corpus, or a file of the user."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq

from dragoman.text import lines

MANY = 20_000
"""Maximum number of rows that are read for a dictionary or for the tokens of a language."""


def language_text(path: Path, most: int = MANY) -> list[str]:
    """The first lines of a language's text, without empty ones.

    Args:
        path: a split of a prepared corpus with this target language, or a file with one sentence per line.
        most: number of lines that are read.

    Raises:
        ValueError: the text is empty.
    """
    given = pq.read_table(path)["target"][:most].to_pylist() if path.suffix == ".parquet" else lines(path)
    texts = [text for text in islice(given, most) if text.strip()]
    if not texts:
        raise ValueError(f"{path} has no text; give text of the language")
    return texts
