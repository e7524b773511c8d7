"""Summarization, also into another language: the first paragraph is the answer."""

from __future__ import annotations

PROMPT = "summary"
METRICS = ["rouge:of=rouge2", "rouge:of=rougeL", "offtarget"]


def parse(text: str) -> str:
    """The lines before the first empty one, in one line."""
    return " ".join(text.strip().split("\n\n")[0].split())
