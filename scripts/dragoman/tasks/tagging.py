"""Part-of-speech tagging: a row of tags is the answer, one for each word."""

from __future__ import annotations

import re

PROMPT = "tags"
METRICS = ["tags", "tags:of=chunk"]

_WRAPPING = "()[]{}<>'\"`.;:|"


def parse(text: str) -> str:
    """Tags with blanks between them: `DET NOUN` of "DET, NOUN", of "The/DET dog/NOUN" and of "The_DET dog_NOUN".

    Whatever else stands in a row keeps its place there, and is a wrong tag.
    """
    pieces = text.replace(",", " ").split()
    tags = (re.split(r"[/_]", piece)[-1].strip(_WRAPPING) for piece in pieces)
    return " ".join(filter(None, tags))
