"""Two aligned sentence pairs, and prompts around them."""

from __future__ import annotations

from dragoman.config import Prompt, Segment
from dragoman.methods import ParallelText
from support.trainings import PROMPT

__all__ = ["LINKS", "ONE", "OTHER", "PROMPT", "QUOTING", "SOURCE", "TARGET", "TEXT"]

QUOTING = Prompt(
    bos=True,
    segments=[
        Segment(role="source", text='In: "{source}".'),
        Segment(role="mark", text="\n"),
        Segment(role="instruction", text="In {target_language}:"),
        Segment(role="target", text='"{target}" Done'),
    ],
)
SOURCE, TARGET = "I like small black cats", "J'aime les petits chats noirs"
LINKS = "0-0 1-0 2-2 3-4 4-3"
"""`les` is aligned to nothing."""
OTHER = ("the old dog sleeps, too", "le vieux chien dort aussi", "0-0 1-1 2-2 3-3 4-4")
TEXT = ParallelText("en-fr", [SOURCE, OTHER[0]] * 12, [TARGET, OTHER[1]] * 12, [LINKS, OTHER[2]] * 12)
ONE = ParallelText("en-fr", [SOURCE], [TARGET], [LINKS])
