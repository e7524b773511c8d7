"""The whole source first, then the target: batched greedy or beam search with a KV cache, by `generate` or by vLLM.

With `monolingual: true`, it also computes the model's loss on references as plain text, without a prompt (`nats`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from transformers import DynamicCache, GenerationConfig, StoppingCriteria, StoppingCriteriaList

from dragoman import models
from dragoman.config import OfflineDecoder, Prompt, Segment
from dragoman.decoding import Context, Item, Row, by_length, noted
from dragoman.decoding.cost import Price, Work
from dragoman.decoding.vocabulary import with_newline
from dragoman.languages.spelling import whole
from dragoman.languages.units import units
from dragoman.models.output import Likeliest
from dragoman.prompts import encode, joined

MEASURED_AT_ONCE = 16
"""Number of lines in one pass of `nats`; with a large vocabulary, the logits of a line take megabytes."""

ENDED_SHARE = 1 / 4
"""Share of the rows of a batch that must have ended before the others go on without them."""


class _ShareEnded(StoppingCriteria):
    """Stops `generate` when `ENDED_SHARE` of the rows have ended."""

    def __init__(self, ends: Sequence[int], rows: int) -> None:
        self.ends, self.ended = ends, [False] * rows

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        """bool [rows], the same for all rows."""
        last = input_ids[:, -1].tolist()
        self.ended = [ended or token in self.ends for ended, token in zip(self.ended, last, strict=True)]
        stops = sum(self.ended) >= ENDED_SHARE * len(last)
        return torch.full((len(last),), stops, dtype=torch.bool, device=input_ids.device)


class Decoder:
    """A loaded model that translates batches of sentences.

    Weights and arithmetic are float32 (except with vLLM). In lower precision, padding changes the last bits of logits,
    which can change the choice between two tokens, so that a translation would depend on the rest of the batch.
    With a large vocabulary, `Likeliest` saves time and chooses the same tokens.
    """

    def __init__(self, context: Context, options: OfflineDecoder) -> None:
        assert context.model is not None
        self.context, self.options = context, options
        self.tokenizer = models.load_tokenizer(context.model)
        self.tokenizer.padding_side = "left"
        self.ends = models.ends(context.model, self.tokenizer, context.prompt)
        if options.stop_at_newline:
            self.ends += with_newline(self.tokenizer)
        self.engine, self.room = None, models.positions(models.described(context.model))
        if isinstance(options, OfflineDecoder) and options.engine == "vllm":
            from dragoman.decoding.vllm import Engine

            self.engine = Engine(context.model, options, self.ends)
            return
        self.model = models.load(context.model).to(models.device()).eval()
        # without a checkpoint's own settings, such as repetition penalties, which change greedy and beam search
        self.model.generation_config = GenerationConfig()
        self.price = Price(self.model)
        self.likeliest = Likeliest(self.model.get_output_embeddings())

    def prompts(self, items: Sequence[Item]) -> list[list[int]]:
        """[items] Token ids of the prompt."""
        pieces = encode(self.context.prompt, self.tokenizer, self.context.pair, [item.source for item in items])
        return [joined(row) for row in pieces]

    def batches(self, items: Sequence[Item]) -> list[list[int]]:
        """Sentences with prompts of similar length together."""
        return by_length([len(ids) for ids in self.prompts(items)], self.options.batch_size)

    @torch.inference_mode()
    def continuations(self, prompts: Sequence[Sequence[int]], most: int | None = None) -> list[list[int]]:
        """[prompts] Token ids that the model writes after the prompt, including the token that ends the answer.

        Args:
            prompts: token ids.
            most: maximum number of tokens, if it is below `max_new_tokens`; with vLLM it has no effect.
        """
        answers: list[list[int]] = [[] for _ in prompts]
        for chosen, room in self._alike([self._room(len(prompt)) for prompt in prompts]):
            given = [prompts[index] for index in chosen]
            if self.engine is not None:
                written = self.engine.continuations(given)
            else:
                how = {"num_beams": self.options.beam, "length_penalty": self.options.length_penalty}
                written = self._generated(given, room if most is None else min(most, room), **how)
            for index, ids in zip(chosen, written, strict=True):
                answers[index] = self._written(ids)
        return answers

    def _room(self, prompt: int) -> int:
        """Maximum number of tokens after a prompt of `prompt` tokens; the last token needs no position of its own."""
        most = self.options.max_new_tokens
        return most if self.room is None else min(most, max(0, self.room - prompt + 1))

    def _alike(self, rooms: Sequence[int]) -> list[tuple[list[int], int]]:
        """(indices, maximum of tokens) of groups: rows with room for `max_new_tokens` together, each other row alone.

        Rows without room are left out.
        """
        most = self.options.max_new_tokens
        whole = [index for index, room in enumerate(rooms) if room == most]
        return [(whole, most)] * bool(whole) + [([i], room) for i, room in enumerate(rooms) if 0 < room < most]

    def _generated(self, prompts: Sequence[Sequence[int]], most: int, **how: Any) -> list[list[int]]:
        """Token ids that `generate` writes after each prompt, at most `most`; after the end, there may be padding.

        In greedy search, rows that have ended leave the batch as soon as they are a quarter of it, so that the model
        does not go on computing them.
        """
        padded = self.tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(self.model.device)
        ids, mask = padded["input_ids"], padded["attention_mask"]
        how |= {"do_sample": False, "eos_token_id": self.ends, "pad_token_id": self.tokenizer.pad_token_id}
        start = ids.shape[1]
        if how.get("num_beams", 1) > 1:
            written = self.model.generate(ids, attention_mask=mask, max_new_tokens=most, **how)
            return written[:, start:].tolist()
        cache = DynamicCache(config=self.model.config)
        answers: list[list[int]] = [[] for _ in prompts]
        going = list(range(len(prompts)))
        while True:
            stop = _ShareEnded(self.ends, len(going))
            # a processor of logits needs all of them
            with nullcontext() if "logits_processor" in how else self.likeliest.used():
                ids = self.model.generate(
                    ids,
                    attention_mask=mask,
                    past_key_values=cache,
                    max_new_tokens=start + most - ids.shape[1],
                    stopping_criteria=StoppingCriteriaList([stop]),
                    **how,
                )
            for index, written in zip(going, ids[:, start:].tolist(), strict=True):
                answers[index] = written
            rest = [row for row, ended in enumerate(stop.ended) if not ended]
            if not rest or ids.shape[1] == start + most:
                break
            going, chosen = [going[row] for row in rest], torch.tensor(rest, device=ids.device)
            new = mask.new_ones(len(ids), ids.shape[1] - mask.shape[1])
            ids, mask = ids[chosen], torch.cat([mask, new], dim=1)[chosen]
            cache.batch_select_indices(chosen)
        return answers

    def _note(self, prompt: int, written: Sequence[int]) -> Row:
        """The note of a row whose answer was cut short because the model has no further position; else nothing."""
        cut = self._room(prompt) < self.options.max_new_tokens and not self._ended(written)
        return noted(f"the prompt has {prompt} tokens, and the model {self.room} positions" if cut else "")

    def decode(self, items: Sequence[Item]) -> list[list[Row]]:
        """One row per item: hypothesis, delays (every word comes after the whole source), number of tokens, whether the
        model ended it, and GFLOPs if it is greedy search by `generate`."""
        rows, prompts = [], self.prompts(items)
        for item, prompt, ids in zip(items, prompts, self.continuations(prompts), strict=True):
            row = self._row(ids) | self._note(len(prompt), ids)
            source, target = self.context.counted
            row["delays"] = [len(units(item.source, source))] * len(units(row["hypothesis"], target))
            if self.options.beam == 1 and self.engine is None:
                row["gflops"] = self.price.gflops(self._work(len(prompt), len(ids)))
            rows.append([row])
        if self.options.monolingual:
            for (row,), nats in zip(rows, self.nats(items), strict=True):
                row["nats"] = round(nats, 4)
        return rows

    @torch.inference_mode()
    def nats(self, items: Sequence[Item]) -> list[float]:
        """[items] Negative log-probability of the reference as a line of text after the previous reference.

        The model reads only these two lines, without a prompt. The end of the line is not counted.
        """
        shape = [Segment(role="source", text="{source}\n"), Segment(role="target", text="{target}")]
        page = Prompt(segments=shape, bos=self.context.prompt.bos)
        lines = [[item.before for item in items], [item.reference for item in items]]
        losses: list[float] = []
        pieces = encode(page, self.tokenizer, self.context.pair, *lines)
        for start in range(0, len(items), MEASURED_AT_ONCE):
            rows = [(before.ids, line.ids[:-1]) for before, line in pieces[start : start + MEASURED_AT_ONCE]]
            texts = [torch.tensor(before + line) for before, line in rows]
            ids = torch.nn.utils.rnn.pad_sequence(texts, True).to(self.model.device)
            real = torch.nn.utils.rnn.pad_sequence([torch.ones_like(text) for text in texts], True).to(ids.device)
            logits = self.model(input_ids=ids, attention_mask=real, use_cache=False).logits
            for row, (before, line) in zip(logits, rows, strict=True):
                predicting = row[len(before) - 1 : len(before) + len(line) - 1].float()
                wanted = torch.tensor(line, dtype=torch.long, device=ids.device)
                losses.append(float(torch.nn.functional.cross_entropy(predicting, wanted, reduction="sum")))
        return losses

    @staticmethod
    def _work(prompt: int, written: int) -> Work:
        work = Work()
        work.feed(prompt, 0, predictions=1)
        work.feed(max(0, written - 1), prompt, predictions=max(0, written - 1))
        return work

    def _text(self, ids: list[int]) -> str:
        return whole(partial(self.tokenizer.decode, skip_special_tokens=True), ids)

    def _written(self, ids: list[int]) -> list[int]:
        return ids[: next((i + 1 for i, token in enumerate(ids) if token in self.ends), None)]

    def _row(self, ids: list[int]) -> Row:
        written = self._written(ids)
        # a token that ends the answer with a line break may also hold text before the break
        text = self._text(written)
        if self.options.stop_at_newline:
            text = text.lstrip("\n").split("\n")[0] if text.strip() else ""
        return {"hypothesis": text.strip(), "tokens": len(written), "ended": self._ended(written)}

    def _ended(self, written: Sequence[int]) -> bool:
        return bool(written) and written[-1] in self.ends
