"""Offline decoding of answers whose first tokens are given: prior ids follow the prompt's, and the model goes on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from dragoman.decoding import Context, Item, Row, offline, priors
from dragoman.decoding.priors import PrefilledDecoder
from dragoman.languages.words import parted


class Decoder(offline.Decoder):
    """A model that goes on with what it is given, for every n of a sweep."""

    options: PrefilledDecoder

    def __init__(self, context: Context, options: PrefilledDecoder) -> None:
        super().__init__(context, options)
        self.make = priors.maker(options, context, self.tokenizer)

    def prompts(self, items: Sequence[Item]) -> list[list[int]]:
        """Token ids of every item up to where the answer begins; sources begin with the prior's words for them."""
        words = priors.before_source(self.options.prior, self.context.pair)
        blank = [" " * parted(words, item.source) if words else "" for item in items]
        longer = [item._replace(source=words + gap + item.source) for item, gap in zip(items, blank, strict=True)]
        return super().prompts(longer)

    def decode(self, items: Sequence[Item]) -> list[list[Row]]:
        """One row per item and n.

        Besides the keys of offline decoding, which speak of what the model wrote: `prior` (decoded: a token may be a
        blank or a part of a character), `prior_ids`, `prior_tokens` (their number, below n where the source of the
        prior had no more), and `continuation`, which is `hypothesis` without the prior.
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
            # decoded together, since the prior may end inside a character, which then belongs to the continuation
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
