"""Offline decoding of answers with given first tokens: the model continues after the ids of prompt and prior."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from dragoman.decoding import Context, Item, Row, offline, priors
from dragoman.decoding.priors import PrefilledDecoder
from dragoman.languages.words import parted


class Decoder(offline.Decoder):
    """A loaded model that continues after given tokens, for every n of a sweep."""

    options: PrefilledDecoder

    def __init__(self, context: Context, options: PrefilledDecoder) -> None:
        super().__init__(context, options)
        self.make = priors.maker(options, context, self.tokenizer)

    def prompts(self, items: Sequence[Item]) -> list[list[int]]:
        """[items] Token ids of the prompt. A prior with `sources` puts its words before every source."""
        words = priors.before_source(self.options.prior, self.context.pair)
        blank = [" " * parted(words, item.source) if words else "" for item in items]
        longer = [item._replace(source=words + gap + item.source) for item, gap in zip(items, blank, strict=True)]
        return super().prompts(longer)

    def decode(self, items: Sequence[Item]) -> list[list[Row]]:
        """One row per item and n.

        In addition to the keys of offline decoding, which describe the tokens that the model wrote, a row has `prior`
        (as text; a token may be a blank or a part of a character), `prior_ids`, `prior_tokens` (their number, which is
        below n if the prior is shorter), and `continuation` (`hypothesis` without the prior).
        """
        prompts, made = self.prompts(items), self.make(items)
        rows: list[list[Row]] = [[] for _ in items]
        for n in self.options.n:
            given = [priors.cut(ids, n, self.options.unit, self._text) for ids in made]
            written = self.continuations([[*prompt, *prior] for prompt, prior in zip(prompts, given, strict=True)])
            for row, prompt, prior, ids in zip(rows, prompts, given, written, strict=True):
                more = self._note(len(prompt) + len(prior), ids)
                row.append({"setting": f"n={n}"} | self._continued(prior, ids) | more)
        return rows

    def _continued(self, prior: list[int], written: list[int]) -> Row:
        row = self._row(written)
        head, whole = self._text(prior), self._text([*prior, *written])
        if prior:
            # decoded together, since the prior may end within a character, which then belongs to the continuation
            same = (a == b for a, b in zip(head, whole, strict=False))
            length = sum(takewhile(bool, same))
            head, tail = whole[:length], whole[length:]
            if self.options.stop_at_newline:
                tail = tail.split("\n")[0]
            row |= {"hypothesis": (head + tail).strip(), "continuation": tail.strip()}
        else:
            row["continuation"] = row["hypothesis"]
        if not self.options.score_prior:
            row["hypothesis"] = row["continuation"]
        return row | {"prior": self._text(prior), "prior_ids": prior, "prior_tokens": len(prior)}
