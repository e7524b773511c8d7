"""Word-by-word decoding of one sentence with one cache.

Keys and values are cached in the order in which source and response tokens are fed; masks and positions distinguish
both. Source tokens never attend to the response, so their keys and values stay valid. Response tokens keep the keys and
values that were computed with the source read by then, as in training with `visibility: exact`. Only the last response
token is fed again after more source has been read, since the prediction of the next word depends on that source. Before
the first word is written, the whole mark is fed again.

    stream = Stream(model, instruction_ids, mark_ids)
    for t in count(1):
        while words_read < g(t): stream.read(ids of the next source word)
        stream.write(the likeliest token of stream.logits()), until that token begins another word
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import torch
from transformers import PreTrainedModel

from dragoman import models
from dragoman.config import SimultaneousDecoder
from dragoman.decoding import Context, Item, Row, noted
from dragoman.decoding.beams import Candidates, search
from dragoman.decoding.lockstep import longest, outgrown
from dragoman.decoding.prediction import LayerWeights, Prediction
from dragoman.decoding.vocabulary import Vocabulary
from dragoman.decoding.writer import Writer
from dragoman.languages.spelling import cut
from dragoman.languages.units import joined, units
from dragoman.models import attention, output
from dragoman.models.attention import Positions, View
from dragoman.policies import Policy


class Stream:
    """A sentence while it is being translated."""

    def __init__(
        self,
        model: PreTrainedModel,
        instruction: Sequence[int],
        mark: Sequence[int],
        *,
        positions: Positions | None = None,
        origin: int = 0,
        recompute: bool = False,
        watched: int | None = None,
    ) -> None:
        """The model is first called in `logits`.

        Args:
            model: in evaluation mode, with `attn_implementation="sdpa"`.
            instruction: token ids before the source.
            mark: token ids between source and target, at least one.
            positions: `group` or `plain` with rotary positions; `modified` or `plain` with ALiBi, which are the same
                here, since no token in the cache is hidden; `none` with either. None: the positions that training can
                mirror, from `attention.mirroring`.
            origin: with `group`, the position of the first token of the mark.
            recompute: feed the whole response again after source was read, for models trained without visibility.
            watched: layer whose attention is stored in `weights`; None: none.

        Raises:
            ValueError: there is no mark, or the model does not support these positions.
        """
        if not mark:
            raise ValueError("a prompt for word-by-word decoding needs a mark between source and target")
        self.model, self.origin, self.recompute, self.watched = model, origin, recompute, watched
        self.positions = positions or attention.mirroring(model)
        attention.check_positions(model, self.positions)
        self.context = list(instruction)
        self.response, self.mark = list(mark), len(mark)
        self.fed_context = self.fed_response = 0
        self.shown = 0
        """Number of tokens of the context that the response attended to in the last pass."""
        self.weights: torch.Tensor | None = None
        """float32 [heads, shown], attention of the last token of the response in the watched layer."""
        self.cache = attention.new_cache()
        self.is_response = torch.zeros(0, dtype=torch.bool, device=model.device)
        self.number = torch.zeros(0, dtype=torch.long, device=model.device)

    def read(self, tokens: Sequence[int]) -> None:
        """Add the tokens of the next source word, which are fed with the next response token."""
        self.context += tokens

    def write(self, token: int) -> None:
        """Add a token to the response."""
        self.response.append(token)

    def _forget(self, tokens: int) -> None:
        """Remove the last response tokens from the cache, where they are the last tokens: `logits` removes them before
        it feeds more source."""
        attention.crop(self.cache, tokens)
        kept = len(self.number) - tokens
        self.is_response, self.number = self.is_response[:kept], self.number[:kept]
        self.fed_response -= tokens

    @property
    def outgrown(self) -> str:
        """A note if the model has no position for the next token; else empty."""
        room = None if self.positions == "none" else models.positions(self.model.config)
        return outgrown(len(self.context), len(self.response), self.positions, room, self.origin)

    @torch.inference_mode()
    def logits(self, hidden: int = 0) -> torch.Tensor:
        """Logits [vocabulary] of the token after the response so far, given the source read so far.

        Args:
            hidden: number of tokens at the end of that source that the response does not attend to.
        """
        shown = len(self.context) - hidden
        if shown != self.shown and (self.recompute or len(self.response) == self.mark):
            self._forget(self.fed_response)
        elif self.fed_response and self.fed_response == len(self.response):
            self._forget(1)  # its source differs now, or its logits are needed again
        self.shown = shown
        context, response = self.context[self.fed_context :], self.response[self.fed_response :]
        device = self.model.device
        new = torch.tensor([False] * len(context) + [True] * len(response), device=device)
        number = torch.tensor(
            [*range(self.fed_context, len(self.context)), *range(self.fed_response, len(self.response))], device=device
        )
        self.is_response, self.number = torch.cat([self.is_response, new]), torch.cat([self.number, number])
        self.fed_context, self.fed_response = len(self.context), len(self.response)

        # [queries, keys] a query sees keys up to its own; source sees only source, the response no hidden source
        keys, queries = len(self.number), len(number)
        order = torch.arange(keys, device=device)
        seen = (order <= order[-queries:, None]) & (new[:, None] | ~self.is_response)
        seen &= ~new[:, None] | self.is_response | (self.number < shown)
        side_by_side = self.number + self.is_response * shown
        if self.positions == "group":
            place = torch.where(new, self.origin + number, number)
        else:
            place = side_by_side[-queries:]
        view = View(seen[None], place[None], side_by_side[None, None], side_by_side[None, -queries:])
        view = attention.unplaced(self.model, view, self.positions)
        ids = torch.tensor([context + response], device=device)
        with LayerWeights.of(self.model, self.watched) as layer:
            logits = attention.forward(self.model, ids, view, self.cache, keep=1)[0, -1]
        if layer is not None:
            self.weights = layer.weights[0][:, ~self.is_response][:, :shown]
        return logits

    @torch.inference_mode()
    def candidates(self, possible: torch.Tensor, vocabulary: Vocabulary, beams: int, most: int) -> Candidates:
        """How the response may go on, after `logits`, given the whole source read so far: see `beams.search`.

        Args:
            possible: logits [vocabulary] of the next token, minus infinity for impossible ones.
            vocabulary: of the tokenizer.
            beams: number of candidates.
            most: tokens of a candidate.
        """
        cache, before, device = attention.branch(self.cache, beams), len(self.number), self.model.device
        new = torch.arange(len(self.response), len(self.response) + most, device=device)
        side_by_side = torch.cat([self.number + self.is_response * self.shown, self.shown + new])
        steps = itertools.count()

        def step(parents: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
            cache.reorder_cache(parents)
            at = before + next(steps)
            own = side_by_side[at].expand(beams, 1)
            place = (self.origin + new[at - before]).expand(beams, 1) if self.positions == "group" else own
            seen = torch.ones((beams, 1, at + 1), dtype=torch.bool, device=device)
            view = View(seen, place, side_by_side[: at + 1].expand(beams, 1, -1), own)
            view = attention.unplaced(self.model, view, self.positions)
            logits = attention.forward(self.model, tokens[:, None], view, cache, keep=1)[:, -1]
            return vocabulary.possible(logits, [False] * beams)

        room = None if self.positions == "none" else models.positions(self.model.config)
        length = longest(most, self.shown, len(self.response), self.positions, room, self.origin)
        return search(possible[None], step, beams, [length], vocabulary.ends)[0]


class Interpreter:
    """Translates one sentence after the other, word by word (or character by character, depending on the source's
    unit)."""

    def __init__(
        self,
        context: Context,
        options: SimultaneousDecoder,
        policy: Policy | None = None,
        model: PreTrainedModel | None = None,
    ) -> None:
        """
        Args:
            context: the model's folder, the pair and the prompt.
            options: options of the decoder.
            policy: one of `options.policies`; None: the first.
            model: the model of that folder in evaluation mode, if it is in memory already.
        """
        assert context.model is not None
        self.context, self.options, self.policy = context, options, policy or options.policies[0]
        self.units = context.counted
        self.tokenizer = models.load_tokenizer(context.model)
        if model is None:
            model = models.load(context.model).to(models.device()).eval()
        self.model = model
        ends = models.ends(context.model, self.tokenizer, context.prompt)
        self.vocabulary = Vocabulary(self.tokenizer, output.vocabulary(self.model), ends)
        self.reset()

    def reset(self) -> None:
        """Begin a new sentence."""
        self.source: list[str] = []
        self.bounds: list[int] = []
        """Tokens of the context up to source word 0, 1, ..."""
        limits, read = (self.options.max_lag, self.options.max_word_tokens), (self.source, self.bounds)
        self.writer = Writer(self.vocabulary, self.tokenizer, self.policy, *limits, self.units.target, *read)
        self.stream: Stream | None = None
        self.note = ""
        """Reason why the translation was cut short."""
        self.done = False

    def take(self, word: str) -> None:
        """Add a source word, without translating; see `writing`.

        Args:
            word: a word, or a character with the white space before it.

        Raises:
            ValueError: it is not exactly one word or character.
        """
        unit = self.units.source
        if len(word.split()) != 1 or len(units(word, unit)) != 1:
            raise ValueError(f"one {unit} is read at a time, not {word!r}")
        blank = " " if unit == "character" and self.source and word[0].isspace() else ""
        self.source.append(blank + word.strip())
        text = joined(self.source, unit)
        seen = cut(self.context.prompt, self.tokenizer, self.context.pair, [text], unit)[0]
        if self.stream is None:
            self.stream = Stream(
                self.model,
                seen.instruction,
                seen.mark,
                positions=self.options.positions,
                origin=self.options.origin,
                recompute=self.options.recompute,
                watched=self.policy.watched,
            )
        self.bounds[:] = seen.ends
        self.stream.read(seen.source[-1])

    def read(self, word: str) -> list[str]:
        """Read a source word. Returns the target words that are due after it. Errors are those of `take`."""
        self.take(word)
        return [*self.writing()]

    def finish(self) -> list[str]:
        """End the source. Returns the rest of the translation."""
        return [*self.writing(over=True)]

    def writing(self, over: bool = False) -> Iterator[str]:
        """Yields the target words that are due now, each as soon as it is complete.

        Args:
            over: whether the whole source has been read.
        """
        read = len(self.source)
        while not self.done and self.stream is not None and (over or self.writer.want <= read):
            if note := self.stream.outgrown:
                self.note, self.done = note, True
                break
            before = len(self.writer.words)
            hidden = self.bounds[read] - self.bounds[self.writer.shown(read, over)]
            (possible,) = self.vocabulary.possible(self.stream.logits(hidden)[None], [self.writer.starting])
            wanted = self.writer.searches(over)
            found = None if wanted is None else self.stream.candidates(possible, self.vocabulary, *wanted)
            prediction = Prediction(possible, self.stream.weights, found)
            action = self.writer.take(int(possible.argmax()), read, over, prediction)
            if action == "write":
                self.stream.write(self.writer.tokens[-1])
            self.done = action == "end"
            yield from self.writer.words[before:]
        self.done = self.done or over


class Decoder:
    """A decoder of whole test sets with an interpreter, one sentence and policy at a time; the words are those of
    `simultaneous`."""

    def __init__(self, context: Context, options: SimultaneousDecoder) -> None:
        self.options = options
        self.interpreter = Interpreter(context, options)

    def batches(self, items: Sequence[Item]) -> list[list[int]]:
        """Every sentence alone."""
        return [[index] for index in range(len(items))]

    def decode(self, items: Sequence[Item]) -> list[list[Row]]:
        """One row per item and policy: hypothesis, delays, and whether the model ended it."""
        return [[self._translate(item, policy) for policy in self.options.policies] for item in items]

    def _translate(self, item: Item, policy: Policy) -> Row:
        interpreter = self.interpreter
        interpreter.policy = policy
        interpreter.reset()
        for word in units(item.source, interpreter.units.source):
            interpreter.read(word)
        interpreter.finish()
        writer = interpreter.writer
        hypothesis = joined(writer.words, interpreter.units.target)
        row = {"setting": policy.setting, "hypothesis": hypothesis, "delays": writer.delays, "ended": writer.ended}
        return row | noted(interpreter.note)
