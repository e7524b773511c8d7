"""Few-shot prompts, and prompts in the target language."""

from __future__ import annotations

import hashlib
from itertools import permutations

import pytest

from conftest import REPOSITORY
from dragoman import models
from dragoman.config import Prompt, Segment
from dragoman.configfile import load_config, prompts
from dragoman.languages import NAMES
from dragoman.prompts import encode, joined, render
from dragoman.prompts.shots import chosen, with_shots
from dragoman.yamlfile import read_yaml

PROMPTS = prompts()
SHOTS = [("One.", "Uno."), ("Two {three}?", "Due, tre?")]


def test_blocks_are_whole_prompts_with_answers() -> None:
    """Against the shape of the authors' 1_shot_samples.json: glued to the colon, one line break between blocks."""
    tokenizer = models.train_tokenizer(["Below is an instruction. Uno."], 400)
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    (pieces,) = encode(with_shots(prompts()["alpaca"], "en-it", SHOTS[:1] * 2), tokenizer, "en-it", ["Four."])
    begin = (
        "Below is an instruction that describes a task, paired with an input that provides further context. "
        "Write a response that appropriately completes the request.\n\n### Instruction:\n"
        "Translate the following sentences from English to Italian.\n\n### Input:\n"
    )
    shot = begin + "One.\n\n### Response:Uno.\n"
    assert tokenizer.decode(joined(pieces)) == "<s>" + shot + shot + begin + "Four.\n\n### Response:"
    assert tokenizer.eos_token_id not in joined(pieces)


@pytest.mark.parametrize("name", ["alpaca", "alpaca-post-ins", "simulmask", "headed"])
def test_without_demonstrations_nothing_changes(name: str) -> None:
    assert with_shots(prompts()[name], "en-it", []) == prompts()[name]


def test_demonstrations_are_cut_as_training_cut_them() -> None:
    tokenizer = models.train_tokenizer(["Answer: Uno. Due. One. Four."] * 3, 300)
    prompt = prompts()["short"]
    (trained,) = encode(prompt, tokenizer, "en-it", ["One."], ["Uno."])
    (asked,) = encode(with_shots(prompt, "en-it", SHOTS[:1]), tokenizer, "en-it", ["Four."])
    (alone,) = encode(prompt, tokenizer, "en-it", ["Four."])
    newline = tokenizer("\n", add_special_tokens=False)["input_ids"]
    assert joined(asked) == joined(trained)[:-1] + newline + joined(alone)


def test_a_demonstration_that_would_be_filled_in_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'Two {three}\?' holds {three}, which a prompt would fill in"):
        with_shots(prompts()["short"], "en-it", SHOTS)
    lone = [("{ brace", "} {}")]
    assert with_shots(prompts()["short"], "en-it", lone).segments[1] == Segment(role="instruction", text=" { brace")


def test_demonstrations_by_line() -> None:
    assert chosen(["a", "b", "c"], ["A", "B", "C"], [3, 1]) == [("c", "C"), ("a", "A")]
    for line in (0, 4):
        with pytest.raises(ValueError, match=f"no line {line} to take a demonstration from: there are 3"):
            chosen(["a", "b", "c"], ["A", "B", "C"], [1, line])


def test_result_is_a_prompt() -> None:
    made = with_shots(prompts()["alpaca"], "en-it", SHOTS[:1])
    assert Prompt.model_validate(made.model_dump()) == made


def test_prompts_in_the_target_language() -> None:
    """Complete, of the shape of the English one, and each names every source language in a way of its own."""
    found, _ = read_yaml(REPOSITORY / "config" / "prompts-target-language.yaml")
    languages = ("de", "fr", "it", "nl", "ro", "cs", "ru", "uk", "zh", "ja", "ko")
    assert list(found) == [f"alpaca-in-{code}" for code in languages]
    for name, entry in found.items():
        prompt = Prompt.model_validate({key: value for key, value in entry.items() if key != "names"})
        assert [segment.role for segment in prompt.segments] == [s.role for s in prompts()["alpaca"].segments]
        text = prompt.segments[0].text
        assert text.count("{source_language}") == 1 and text.count("\n\n### ") == 2 and text.endswith(":\n"), name
        assert prompt.segments[2].text.startswith("\n\n### ")
        assert set(entry["names"]) == {"en", *languages} <= set(NAMES)
        assert len(set(entry["names"].values())) == len(entry["names"])


AUTHORS = {
    "de": (72, "cc27eb719c82128f"),
    "fr": (72, "c95723de6133d112"),
    "it": (12, "c4af92dd1070f4cd"),
    "nl": (12, "72a942aaf8da5251"),
    "ro": (12, "e9c1a4ab5813dce4"),
    "cs": (72, "84f54f1d9655b93d"),
    "ru": (72, "0aad165085cae819"),
    "uk": (72, "cf1e320132b32a4b"),
    "zh": (72, "70af49c9ad9fee06"),
    "ja": (72, "fe215081d15d9690"),
    "ko": (72, "fef81c6b1170876b"),
}
"""Language of a PTL prompt -> directions that the authors can name in it, and how the SHA-256 begins of what their
`create_prompt` (inference_w_vllm.py at b69a120) makes of the input `<INPUT>` in them, joined by line breaks."""


def rendered(name: str, pair: str, source: str) -> str:
    """All that a model reads before it answers."""
    return "".join(text for _, text in render(PROMPTS[name], pair, source, ""))


@pytest.mark.parametrize("language", AUTHORS)
def test_ptl_prompts_are_the_authors(language: str) -> None:
    names = PROMPTS[f"ptl-in-{language}"].names or {}
    pairs = sorted(permutations(names, 2))
    shown = "\n".join(rendered(f"ptl-in-{language}", f"{source}-{target}", "<INPUT>") for source, target in pairs)
    assert (len(pairs), hashlib.sha256(shown.encode()).hexdigest()[:16]) == AUTHORS[language]


@pytest.mark.parametrize("language", AUTHORS)
def test_corrected_prompts_keep_the_shape_and_no_mistake(language: str) -> None:
    """Both ask with the same sections for the same thing; no text of the corrected one is the authors'."""
    ours, theirs = (rendered(f"{name}-in-{language}", f"en-{language}", "A.") for name in ("alpaca", "ptl"))
    assert [ours.count("### "), ours.count("A.")] == [theirs.count("### "), theirs.count("A.")] == [3, 1]
    assert ours != theirs
    wrong = ("Němec", "독일 사람", "한국인", "украинец", "ロシア から", "B以下")
    assert not any(word in ours for word in wrong)


def test_the_papers_configurations_ask_with_the_authors_prompts() -> None:
    """`ptl` with theirs, for every target that is not English; `ptl-corrected` with ours, for the same ones."""
    for name in ("langaware-revised", "langaware-v1"):
        for experiment in load_config(REPOSITORY / "config" / "papers" / f"{name}.yaml").experiments.values():
            targets = {pair[3:] for pair in experiment.test.pairs} - {"en"}
            for system, start in (("ptl", "ptl-in-"), ("ptl-corrected", "alpaca-in-")):
                assert experiment.systems[system].prompt_by_target == {code: f"{start}{code}" for code in targets}
