"""Attention heads are ranked by the words that they point at."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from conftest import save_model
from dragoman import models
from dragoman.configfile import prompts
from dragoman.decoding.heads import ranked
from dragoman.languages.spelling import Spelled, pairs
from dragoman.policies import Link
from small_models import small

SOURCES = ["The old man buys a red car.", "He sleeps here now."]
TARGETS = ["Le vieil homme achète une voiture.", "Il dort."]
LINKS: list[list[Link]] = [[(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 5)], [(1, 1), (2, 1)]]


def of(folder: Path) -> list[Spelled]:
    return [*pairs(prompts()["short"], models.load_tokenizer(folder), "en-fr", SOURCES, TARGETS)]


def test_shares_by_hand(tmp_path: Path) -> None:
    """Against the weights that the model itself gives with another kernel, token by token.

    Falcon with ALiBi is not compared, since it adds its bias twice with that kernel.
    """
    save_model(tmp_path, sharpness=6, texts=[*SOURCES, *TARGETS])
    found = ranked(models.load(tmp_path).eval(), zip(of(tmp_path), LINKS, strict=True))
    eager = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    hits: dict[tuple[int, int | None], list[bool]] = {}
    for spelled, links in zip(of(tmp_path), LINKS, strict=True):
        with torch.no_grad():
            layers = eager(torch.tensor([spelled.ids]), output_attentions=True).attentions
        for token, unit in enumerate(spelled.number):
            wanted = {source for source, target in links if target + 1 == unit}
            if not wanted:  # the first word of the second sentence
                continue
            query = len(spelled.ids) - len(spelled.target) + token - 1
            for number, layer in enumerate(layers):
                rows = dict(enumerate(layer[0, :, query])) | {None: layer[0, :, query].mean(0)}
                for head, row in rows.items():
                    sums = [float(row[start:end].sum()) for start, end in pairwise(spelled.source.ends)]
                    hits.setdefault((number, head), []).append(sums.index(max(sums)) in wanted)
    shares = {place: sum(own) / len(own) for place, own in hits.items()}
    assert {(each.layer, each.head): each.share for each in found} == pytest.approx(shares)
    assert [each.share for each in found] == pytest.approx(sorted(shares.values(), reverse=True))
    assert len({*shares.values()}) > 2, "equal shares would prove nothing"


def test_without_alignments(tmp_path: Path) -> None:
    save_model(tmp_path, texts=[*SOURCES, *TARGETS])
    with pytest.raises(ValueError, match="no word of these sentence pairs is aligned"):
        ranked(models.load(tmp_path).eval(), zip(of(tmp_path), [[], []], strict=True))


def test_a_model_without_sdpa() -> None:
    with pytest.raises(ValueError, match="look at the attention of bloom models"):
        ranked(small("bloom", 300), [])
