"""Decoding by vLLM, on a stand-in: the classes that its documentation names, over a model of transformers.

The library itself needs a GPU. What is tested here is what we give it and what we make of its answers; the stand-in
takes no argument that the real classes do not have.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch

from dragoman import models
from dragoman.config import GoldPrior, OfflineDecoder, PrefilledDecoder, SftPrior
from dragoman.configfile import ConfigError, parse
from dragoman.decoding import Context, Item, offline, prefilled
from support.claimed import config
from support.priors import BARE, TOKENIZERS, save

ITEMS = [Item(n, source, target) for n, (source, target) in enumerate([("the cat", "le chat"), ("a cat sleeps", "猫")])]


@dataclass
class SamplingParams:
    temperature: float = 1.0
    max_tokens: int | None = 16
    ignore_eos: bool = False
    stop_token_ids: list[int] = field(default_factory=list)
    detokenize: bool = True


@dataclass
class BeamSearchParams:
    beam_width: int
    max_tokens: int
    ignore_eos: bool = False
    temperature: float = 0.0
    length_penalty: float = 1.0


class LLM:
    """Greedy and beam search as vLLM has them, one sentence at a time, in float32."""

    made: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, model: str, *, dtype: str = "auto", generation_config: str = "auto", max_logprobs: int = 20):
        self.made.append({"dtype": dtype, "generation_config": generation_config})
        self.model, self.max_logprobs = models.load(Path(model)).eval(), max_logprobs
        self.end = models.load_tokenizer(Path(model)).eos_token_id

    @torch.inference_mode()
    def _next(self, ids: list[int]) -> torch.Tensor:
        return self.model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)

    def generate(self, prompts: Sequence[dict[str, Any]], sampling_params: SamplingParams, *, use_tqdm: bool = True):
        assert sampling_params.temperature == 0, "0 is greedy, and 1 is what vLLM takes when nothing is said"
        ends = {*sampling_params.stop_token_ids} | (set() if sampling_params.ignore_eos else {self.end})
        found = []
        for prompt in prompts:
            written: list[int] = []
            while len(written) < sampling_params.max_tokens and not ends & {*written}:
                written.append(int(self._next([*prompt["prompt_token_ids"], *written]).argmax()))
            found.append(SimpleNamespace(outputs=[SimpleNamespace(token_ids=tuple(written), finish_reason="stop")]))
        return found

    def beam_search(self, prompts: Sequence[dict[str, Any]], params: BeamSearchParams):
        assert self.max_logprobs >= 2 * params.beam_width, "vLLM refuses more"

        def score(beam: tuple[list[int], float]) -> float:
            tokens, total = beam
            return total / (len(tokens) - (tokens[-1] == self.end)) ** params.length_penalty

        found = []
        for prompt in prompts:
            beams, completed = [(prompt["prompt_token_ids"], 0.0)], []
            for _ in range(params.max_tokens):
                grown = []
                for tokens, total in beams:
                    best = self._next(tokens).topk(2 * params.beam_width)
                    for value, token in zip(best.values.tolist(), best.indices.tolist(), strict=True):
                        (completed if token == self.end else grown).append(([*tokens, token], total + value))
                beams = sorted(grown, key=score, reverse=True)[: params.beam_width]
            whole = sorted([*completed, *beams], key=score, reverse=True)[: params.beam_width]
            found.append(SimpleNamespace(sequences=[SimpleNamespace(tokens=tokens) for tokens, _ in whole]))
        return found


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> type[LLM]:
    """The stand-in, where the library would be imported from."""
    module, inner = ModuleType("vllm"), ModuleType("vllm.sampling_params")
    module.LLM, module.SamplingParams = LLM, SamplingParams  # type: ignore[attr-defined]
    module.__spec__ = ModuleSpec("vllm", None)
    inner.BeamSearchParams = BeamSearchParams  # type: ignore[attr-defined]
    for each in (module, inner):
        monkeypatch.setitem(sys.modules, each.__name__, each)
    monkeypatch.delitem(sys.modules, "dragoman.decoding.vllm", raising=False)
    monkeypatch.setattr(LLM, "made", [])
    return LLM


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model whose configuration names another end than its tokenizer, as Falcon-RW-1B's does."""
    folder = tmp_path_factory.mktemp("model")
    save(TOKENIZERS["byte fallback"](), folder, 3)
    (folder / "generation_config.json").write_text('{"eos_token_id": 5, "repetition_penalty": 3.0}')
    return folder


def decoded(folder: Path, engine: str, **options: Any) -> list[list[dict[str, Any]]]:
    """Rows of both sentences, by either engine."""
    settings: Any = {"name": "offline", "max_new_tokens": 9, "engine": engine} | options
    kind: Any = OfflineDecoder
    decoder: Any = offline.Decoder
    if settings["name"] == "prefilled":
        kind, decoder = PrefilledDecoder, prefilled.Decoder
    rows = decoder(Context(folder, "en-fr", BARE), kind(**settings)).decode(ITEMS)
    return [[{key: value for key, value in row.items() if key != "gflops"} for row in each] for each in rows]


@pytest.mark.parametrize("options", [{}, {"stop_at_newline": True}, {"max_new_tokens": 1}])
def test_greedy_writes_the_same_tokens(vllm: type[LLM], folder: Path, options: dict[str, Any]) -> None:
    assert decoded(folder, "vllm", **options) == decoded(folder, "transformers", **options)
    assert vllm.made == [{"dtype": "bfloat16", "generation_config": "vllm"}], "the library was asked, and once"


def test_priors_are_kept(vllm: type[LLM], folder: Path) -> None:
    options = {"name": "prefilled", "prior": GoldPrior(kind="gold"), "n": [0, 1, 3]}
    found = decoded(folder, "vllm", **options)
    assert found == decoded(folder, "transformers", **options)
    assert [row["prior_tokens"] for row in found[0]] == [0, 1, 3]


def test_beams_come_without_their_prompt(vllm: type[LLM], folder: Path) -> None:
    """With no length penalty both searches rank by probability alone, and find the same beam of all."""
    found = decoded(folder, "vllm", beam=12, length_penalty=0.0, max_new_tokens=2)
    assert found == decoded(folder, "transformers", beam=12, length_penalty=0.0, max_new_tokens=2)
    assert all(0 < row["tokens"] <= 2 for (row,) in found)


def test_what_vllm_cannot_do_is_said() -> None:
    for said, options in (
        ("line break", {"beam": 2, "stop_at_newline": True}),
        ("monolingual", {"monolingual": True}),
    ):
        with pytest.raises(ValueError, match=said):
            OfflineDecoder(name="offline", engine="vllm", **options)
    with pytest.raises(ValueError, match="the twin has no memory"):
        PrefilledDecoder(name="prefilled", engine="vllm", prior=SftPrior(kind="sft", twin="twin"))


def test_a_missing_library_is_named_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.checks.systems.find_spec", lambda name: None)
    wanted = config("results")
    wanted["experiments"]["simulmask"]["systems"]["offline"]["decoder"]["engine"] = "vllm"
    with pytest.raises(ConfigError, match=r"decoder\.engine = 'vllm': vllm is not installed; create an environment"):
        parse(wanted)
