"""Chat templates of real models, cut into segments: the ids are those of `apply_chat_template`, or it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tokenizers import Tokenizer, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import fetch_model
import finetune
from dragoman import models
from dragoman.config import Prompt
from dragoman.configfile import load_config
from dragoman.languages import NAMES, spelling
from dragoman.methods import ParallelText, language_aware, sft, simulmask
from dragoman.plan import Plan
from dragoman.prompts import chat, encode, joined
from support.chats import ASKED, CHATML, GEMMA, LLAMA3, QWEN3, SPECIAL, messages
from support.trainings import spec

AFTER = [
    {"role": "source", "text": "{source}"},
    {"role": "mark", "text": "\nIn {target_language}, please."},
    {"role": "target", "text": "{target}"},
]
SOURCES = ["The old man buys 2 red cars.", "\"Where?\" - 'There!'", "Grüße aus {Köln} & <b>Genf</b>", "我在2024年", "…"]
TARGETS = ["Le vieil homme achète 2 voitures.", "« Où ? »", "1", "Там \\n", "?"]

# SmolLM2's: a default system message of its own
SMOLLM = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou "
    "are a helpful AI assistant named SmolLM<|im_end|>\\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
# Zephyr's: the tokenizer's own end-of-sequence token ends every turn
ZEPHYR = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
KINDS = ["byte level", "first", "always"]
"""GPT-2's manner; and SentencePiece's with a blank before a text, or also after every token of its own (LLaMA 2)."""


def tokenizer(template: str | None, kind: str = "byte level") -> Any:
    """A tiny tokenizer with the marks of all of these templates; its kind is one of KINDS."""
    one = models.train_tokenizer([*SOURCES, *TARGETS, "Translate from English to French: The"] * 3, 400)
    backend = Tokenizer.from_str(one.backend_tokenizer.to_str())
    if kind != "byte level":
        blank = pre_tokenizers.Metaspace("▁", prepend_scheme=kind, split=False)
        backend.pre_tokenizer = pre_tokenizers.Sequence([blank, pre_tokenizers.ByteLevel(False, False)])
    backend.add_special_tokens(SPECIAL)
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<bos>", eos_token=models.END, pad_token=models.PAD
    )
    made.chat_template = template
    return made


def prompt(segments: list[dict[str, str]] = ASKED, **options: Any) -> Prompt:
    return Prompt.model_validate({"template": "chat", "segments": segments, **options})


SHAPES: dict[str, tuple[str, dict[str, Any], str]] = {
    "ChatML": (CHATML, {}, "<|im_end|>"),
    "a system message of its own": (SMOLLM, {}, "<|im_end|>"),
    "that message replaced": (SMOLLM, {"system": "You translate."}, "<|im_end|>"),
    "Gemma": (GEMMA, {}, "<end_of_turn>"),
    "Gemma, with a system message": (GEMMA, {"system": "You translate."}, "<end_of_turn>"),
    "Llama 3": (LLAMA3, {"template_options": {"date_string": "26 Jul 2024"}}, "<|eot_id|>"),
    "Llama 3, whose template asks for the date": (
        LLAMA3,
        {"template_options": {"strftime_now": "26 Jul 2024"}},
        "<|eot_id|>",
    ),
    "Qwen3": (QWEN3, {"template_options": {"enable_thinking": False}}, "<|im_end|>"),
    "Zephyr": (ZEPHYR, {}, models.END),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("segments", [ASKED, AFTER], ids=["instruction first", "source first"])
@pytest.mark.parametrize(("template", "options", "ends"), SHAPES.values(), ids=SHAPES)
def test_joined_ids_are_the_templates(
    template: str, options: dict[str, Any], ends: str, segments: list[dict[str, str]], kind: str
) -> None:
    assert NAMES["en"] == "English"
    one = tokenizer(template, kind)
    asked = prompt(segments, **options)
    made = chat.rendered(asked, one)
    assert made.end == ends
    marks = ["mark", "mark"] if segments == AFTER else ["mark"]  # its own, and the template's
    assert [segment.role for segment in made.segments] == ["instruction", "source", *marks, "target"]
    assert chat.rendered(made, one) == made
    variables = options.get("template_options", {})
    one.chat_template = template.replace("strftime_now('%d %b %Y')", f"{variables.get('strftime_now')!r}")
    with_answer = encode(made, one, "en-fr", SOURCES, TARGETS)
    for source, target, pieces, open_pieces in zip(
        SOURCES, TARGETS, with_answer, encode(made, one, "en-fr", SOURCES), strict=True
    ):
        opened = one.apply_chat_template(
            messages(asked, source), add_generation_prompt=True, tokenize=True, return_dict=False, **variables
        )
        assert joined(open_pieces) == list(opened)
        whole = list(
            one.apply_chat_template(messages(asked, source, target), tokenize=True, return_dict=False, **variables)
        )
        assert whole[: len(joined(pieces))] == joined(pieces)
        assert one.decode(whole[len(joined(pieces)) :]).strip("▁ \n") == ""  # a line break after the end, if anything
        assert one.convert_ids_to_tokens(pieces[-1].ids[-1:]) == [ends]


@pytest.mark.parametrize(
    ("template", "options", "said"),
    [
        (None, {}, "has no chat template; take a model that was tuned for conversations"),
        (
            CHATML.replace("message['content']", "message['content'] | tojson"),
            {},
            "does not begin an answer as it asks",
        ),
        (
            CHATML.replace("message['content']", "message['content'] | escape"),
            {},
            "does not begin an answer as it asks",
        ),
        (CHATML.replace("message['content']", "message['content'] | upper"), {}, "does not keep the message"),
        (
            CHATML.replace("message['content']", "message['content'] | replace('{', '(')"),
            {},
            "does not keep the message",
        ),
        (
            CHATML.replace("message['content']", "message['content'] | replace('\\\\', '/')"),
            {},
            "changes the text of a",
        ),
        (CHATML.replace("message['content']", "'...'"), {}, "does not keep the message"),
        (CHATML.replace("message['content']", "message['content'] * 2"), {}, "does not keep the message"),
        (GEMMA, {"segments": [ASKED[1], ASKED[2]]}, "strips the blanks around it: put none at the beginning"),
        (
            GEMMA,
            {"segments": [*ASKED[:2], {"role": "target", "text": " {target}"}]},
            "strips the blanks around an answer",
        ),
        (QWEN3, {}, "does not begin an answer as it asks for one: .*enable_thinking: false"),
        (LLAMA3, {}, "it writes today's date, .*strftime_now: 26 Jul 2024"),
        (CHATML.replace("<|im_end|>", "###"), {}, "ends an answer with '###"),
        ("{{ raise_exception('no messages, please') }}", {}, "refuses these messages: no messages, please"),
        ("{{ messages[0].content", {}, "refuses these messages"),
        (
            CHATML,
            {
                "segments": [
                    {**ASKED[0], "text": ASKED[0]["text"] + " "},
                    {"role": "source", "text": "{source}"},
                    ASKED[2],
                ]
            },
            "joins text over the edge of a segment",
        ),
    ],
)
def test_refused(template: str | None, options: dict[str, Any], said: str) -> None:
    one = tokenizer(template)
    with pytest.raises(ValueError, match=said):
        chat.rendered(prompt(**{"segments": ASKED, **options}), one)


def test_everything_else_sees_segments_only() -> None:
    """Masks, cuts and conflicting instructions of a prompt in a chat template."""
    one = tokenizer(GEMMA)
    made = chat.rendered(prompt(), one)
    text = ParallelText("en-fr", SOURCES, TARGETS, [""] * len(SOURCES))
    options = simulmask.Options.model_validate({"policies": [{"name": "wait-k", "k": 1}], "positions": "group"})
    masked = simulmask.examples([text], made, one, options)
    whole = sft.examples([text], made, one, sft.Options())
    assert [row["input_ids"] for row in masked] == [row["input_ids"] for row in whole]
    cuts = spelling.cut(made, one, "en-fr", SOURCES)
    answers = [sum(label != -100 for label in row["labels"]) for row in whole]
    assert [cut.context + cut.mark for cut in cuts] == [
        row["input_ids"][:-count] for row, count in zip(whole, answers, strict=True)
    ]
    assert language_aware.instruction(made, "en-fr") != language_aware.instruction(made, "en-de")


CONFIG = {
    "threads": 1,
    "prompts": {"chat": {"template": "chat", "segments": ASKED}},
    "corpora": {"demo": {"provider": "demo", "train": 8, "test": 4}},
    "models": {"local": {"source": "local", "path": "model"}},
    "experiments": {
        "first": {
            "title": "First",
            "model": "local",
            "prompt": "chat",
            "train": {"corpus": "demo", "pairs": ["en-fr"]},
            "test": {"corpus": "demo", "pairs": ["en-fr"]},
            "tunings": {"sft": {"training": {"steps": 1, "batch_size": 2}}},
            "systems": {"tuned": {"tuning": "sft"}},
        }
    },
}


def laid(folder: Path, template: str) -> None:
    one = tokenizer(template)
    folder.mkdir(parents=True)
    models.build(spec("llama"), one).save_pretrained(folder)
    one.save_pretrained(folder)


def test_a_template_that_cannot_be_cut_is_refused_when_the_model_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    laid(tmp_path / "model", CHATML.replace("message['content']", "message['content'] | tojson"))
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(CONFIG))
    with pytest.raises(ValueError, match="the prompt chat, for local: the chat template of model does not begin"):
        fetch_model.main(["--config", "c.yaml", "--model", "local"])


def test_a_tuned_model_ends_its_answers_as_the_template_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    laid(tmp_path / "model", CHATML)
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(CONFIG))
    plan = Plan(load_config(tmp_path / "c.yaml"))
    run = plan.tuning_run("first", "sft", "all", 1)
    fetch_model.main(["--config", "c.yaml", "--model", "local"])
    before, after = plan.model("local").folder, run.folder
    asked = chat.for_model(plan.prompts["chat"], before)
    old, end = (models.load_tokenizer(before).convert_tokens_to_ids(token) for token in (models.END, "<|im_end|>"))
    assert models.ends(before, models.load_tokenizer(before), asked) == [end, old]
    assert models.ends(before, models.load_tokenizer(before), plan.prompts["short"]) == [old]
    demo = ParallelText("en-fr", SOURCES, TARGETS, [""] * len(SOURCES))
    monkeypatch.setattr(finetune, "read", lambda *_: demo)
    monkeypatch.setattr(finetune, "read_manifest", lambda folder: {"files": {"train.parquet": {"sha256": ""}}})
    finetune.tune(run)
    tuned = models.load_tokenizer(after)
    assert tuned.eos_token == "<|im_end|>"
    assert models.load(after).generation_config.eos_token_id == [end, old]
    assert models.ends(after, tuned, plan.prompts["short"]) == [end, old]
