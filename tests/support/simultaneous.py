"""Sentences that are translated while they are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dragoman import grammar
from dragoman.config import SimultaneousDecoder
from dragoman.configfile import prompts
from dragoman.decoding import Context, Item, simultaneous, streaming

MEANT = list(grammar.meanings(1, "train", 200))
ENGLISH, FRENCH = ([grammar.realise(meaning, code).text for meaning in MEANT] for code in ("en", "fr"))
ITEMS = [Item(i, *pair) for i, pair in enumerate(zip(ENGLISH, FRENCH, strict=True))]
PROMPT = prompts()["short"]


def translate(module: object, folder: Path, items: Sequence[Item], **options: object) -> list[list[dict[str, object]]]:
    name = {simultaneous: "simultaneous", streaming: "streaming"}[module]
    settings = SimultaneousDecoder(**{"name": name, "k": [1, 3, 5, 7], "max_word_tokens": 3, "max_lag": 2} | options)
    decoder = module.Decoder(Context(folder, "en-fr", PROMPT), settings)
    found: dict[int, list[dict[str, object]]] = {}
    for batch in decoder.batches(items):
        found |= dict(zip(batch, decoder.decode([items[i] for i in batch]), strict=True))
    return [found[i] for i in range(len(items))]


def without_cost(rows: list[list[dict[str, object]]]) -> list[list[dict[str, object]]]:
    return [[{key: value for key, value in row.items() if key != "gflops"} for row in each] for each in rows]
