"""Chat templates as prompts: a model's own template is rendered once and cut into segments, like any other prompt.

    <|im_start|>user\\nTo French: The red car.<|im_end|>\\n<|im_start|>assistant\\nLa voiture rouge.<|im_end|>\\n
    instruction --------------|source --------|mark -------------------------|target ----------|end -----

The template (Jinja, in the tokenizer) is rendered with the placeholders of our prompt as the message. It may write
anything around the message, but must keep the message unchanged. Then the segments, filled in and tokenised one by one,
give the same ids as `apply_chat_template` gives for the filled-in message. This is checked with several sentences, and
other templates are refused. Text after the token that ends the answer is left out, since no model writes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.config import Prompt, Segment
from dragoman.prompts import Piece, begins_with_token, encode, joined, render

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PAIR = "en-fr"
"""The pair of the checks below. Any pair would do, since names of languages do not affect them."""
PROBES = [
    "The old man buys 2 red cars.",
    "He said: \"it's <b>1 & 1</b>\", didn't he?",
    "¿Größe \\n {x} 100 %?",
    "我在 2024 年。",
    "…and so on",
]
"""Sentences that a template must keep unchanged: they have quotes, tags, backslashes, braces, other scripts, and
various first characters."""

NO_DATE = "no date is fixed"
CLOCK = (
    "{% macro strftime_now(form) %}{{ fixed_date or raise_exception('" + NO_DATE + "') }}{% endmacro %}"
    "{{ '' }}"  # keeps a line break at the beginning of the template, which Jinja would remove after the macro
)
"""Goes before a template and replaces its date function: it gives the date that the prompt sets, never today's."""


def for_model(prompt: Prompt, folder: Path) -> Prompt:
    """A prompt for the model in a folder; with `template: chat`, the model's chat template is filled in.

    Raises:
        ValueError: as in `rendered`.
    """
    if prompt.template is None:
        return prompt
    from dragoman import models

    return rendered(prompt, models.load_tokenizer(folder))


def rendered(prompt: Prompt, tokenizer: PreTrainedTokenizerBase) -> Prompt:
    """The prompt with a model's chat template around its segments. A prompt that has no `template`, or has been
    rendered, is returned unchanged.

    Raises:
        ValueError: the tokenizer has no template, or the template refuses or changes the messages.
    """
    if prompt.template is None or prompt.end is not None:
        return prompt
    texts = [segment.text for segment in prompt.segments]
    asked, answer = "".join(texts[:-1]), texts[-1]
    opened = _applied(prompt, tokenizer, asked)
    whole = _applied(prompt, tokenizer, asked, answer)
    where = f"the chat template of {tokenizer.name_or_path or 'the model'}"
    if opened.count(asked) != 1:
        how = "leaves it out, or changes it"
        if asked.strip() != asked and opened.count(asked.strip()) == 1:
            how = "strips the blanks around it: put none at the beginning of the first segment, or before the target"
        raise ValueError(f"{where} does not keep the message {asked!r}: it {how}")
    head, tail = opened.split(asked)
    rest = whole.removeprefix(opened)
    if answer.strip() != answer and rest.startswith(answer.strip()):
        raise ValueError(f"{where} strips the blanks around an answer; write the target segment as '{{target}}'")
    if rest == whole or not rest.startswith(answer):
        raise ValueError(
            f"{where} does not begin an answer as it asks for one: after {opened[-40:]!r} an answered conversation "
            f"continues with {whole[len(opened) :][:20]!r}. See which variables the template reads, and set them as "
            "`template_options` (one that has the model think first often has `enable_thinking: false`)"
        )
    made = prompt.model_copy(
        update={
            "segments": _segments(prompt, head, tail, begins_with_token(tail, tokenizer)),
            "end": _end(rest.removeprefix(answer), tokenizer, where),
        }
    )
    _check(prompt, made, tokenizer, where)
    return made


def _applied(prompt: Prompt, tokenizer: PreTrainedTokenizerBase, asked: str, answer: str | None = None) -> str:
    """The template's text for a message, up to the beginning of the answer; with `answer`, also the answer and its end.

    Raises:
        ValueError: the tokenizer has no template, or the template refuses the messages.
    """
    if tokenizer.chat_template is None:
        raise ValueError(
            f"the tokenizer of {tokenizer.name_or_path} has no chat template; take a model that was tuned for "
            "conversations, or a prompt without `template: chat`"
        )
    messages = [{"role": "user", "content": asked}]
    if prompt.system is not None:
        messages.insert(0, {"role": "system", "content": prompt.system})
    if answer is not None:
        messages.append({"role": "assistant", "content": answer})
    options: dict[str, Any] = {**prompt.template_options, "fixed_date": prompt.template_options.get("strftime_now")}
    try:
        return str(
            tokenizer.apply_chat_template(
                messages,
                chat_template=CLOCK + tokenizer.get_chat_template(),
                tokenize=False,
                add_generation_prompt=answer is None,
                **options,
            )
        )
    except Exception as error:  # Jinja code in a template can raise any error
        said = f"{error}".splitlines()[0] if f"{error}" else type(error).__name__
        if said == NO_DATE:
            said = (
                "it writes today's date, so that every day would give other results; fix the date with "
                "`template_options`, as in {strftime_now: 26 Jul 2024}"
            )
        where = tokenizer.name_or_path or "the model"
        raise ValueError(f"the chat template of {where} refuses these messages: {said}") from None


def _segments(prompt: Prompt, head: str, tail: str, apart: bool) -> list[Segment]:
    """Our segments, with the template's text before (`head`) and after (`tail`) the user's message.

    Args:
        apart: whether `tail` becomes a segment of its own even after a mark.
    """
    *asked, target = prompt.segments
    if head and asked[0].role == "instruction":
        asked[0] = Segment(role="instruction", text=head + asked[0].text)
    elif head:
        asked.insert(0, Segment(role="instruction", text=head))
    if tail and asked[-1].role == "mark" and not apart:
        asked[-1] = Segment(role="mark", text=asked[-1].text + tail)
    elif tail:
        asked.append(Segment(role="mark", text=tail))
    return [*asked, target]


def _end(rest: str, tokenizer: PreTrainedTokenizerBase, where: str) -> str:
    """The token that ends an answer: the first token that the template writes after it.

    Raises:
        ValueError: there is no such token, or it is not a special token.
    """
    if not rest:  # the tokenizer ends a text by itself
        if tokenizer.eos_token is None:
            raise ValueError(f"{where} writes nothing after an answer, and the tokenizer has no end-of-sequence token")
        return str(tokenizer.eos_token)
    first = tokenizer.convert_ids_to_tokens(tokenizer(rest, add_special_tokens=False)["input_ids"][:1])[0]
    if first not in tokenizer.added_tokens_encoder or not rest.startswith(first):
        raise ValueError(f"{where} ends an answer with {rest[:20]!r}, which is no token of its own")
    return str(first)


def _check(prompt: Prompt, made: Prompt, tokenizer: PreTrainedTokenizerBase, where: str) -> None:
    """Compare filled-in segments with the template's own text and ids, for several sentences.

    Raises:
        ValueError: texts or ids differ.
    """
    for source, target in zip(PROBES, [*PROBES[1:], PROBES[0]], strict=True):
        filled = [text for _, text in render(prompt, PAIR, source, target)]
        expected = _applied(prompt, tokenizer, "".join(filled[:-1]), filled[-1])
        text = "".join(text for _, text in render(made, PAIR, source, target)) + str(made.end)
        if not expected.startswith(text):
            place = next((i for i, (a, b) in enumerate(zip(expected, text, strict=False)) if a != b), len(text))
            raise ValueError(
                f"{where} changes the text of a message: it writes {expected[place : place + 20]!r} for "
                f"{text[place : place + 20]!r}, so it cannot be cut into segments"
            )
        ids = list(tokenizer(expected, add_special_tokens=False)["input_ids"])
        parts = encode(made, tokenizer, PAIR, [source], [target])[0]
        if ids[: len(joined(parts))] != joined(parts):
            raise ValueError(_seam(parts, ids, tokenizer, where))


def _seam(parts: list[Piece], ids: list[int], tokenizer: PreTrainedTokenizerBase, where: str) -> str:
    """A message about the first ids that differ."""
    own = joined(parts)
    place = next((i for i, (a, b) in enumerate(zip(ids, own, strict=False)) if a != b), len(ids))
    shown = [tokenizer.convert_ids_to_tokens(each[place : place + 3]) for each in (own, ids)]
    return (
        f"the tokenizer joins text over the edge of a segment: the segments give the tokens {shown[0]}, and one text, "
        f"as {where} writes it, gives {shown[1]}. Let the segment begin with the blank before it, like ' {{source}}'"
    )
