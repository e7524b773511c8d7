"""Random choices among the words of the lexicon."""

import random
from bisect import bisect
from functools import cache
from itertools import accumulate

from dragoman.grammar.lexicon import load
from dragoman.grammar.meaning import Clause

EXPONENT = 1.1  # exponent of Zipf's law: the n-th word of a class has the weight n ** -1.1, about as in real text


@cache
def candidates(table: str, column: str, wanted: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The concepts of a table that have one of the wanted words in a column, with cumulative Zipf weights."""
    entries = getattr(load(), table)
    names = [name for name, entry in entries.items() if not column or set(entry.tags(column)) & set(wanted)]
    # Whole numbers, because the last digits of a power may differ between machines.
    weights = [round(10_000 * rank**-EXPONENT) for rank in range(1, len(names) + 1)]
    return tuple(names), tuple(accumulate(weights))


def size(clause: Clause) -> int:
    """Number of parts of a clause, by which the length of sentences is limited."""
    parts = [clause.modal, clause.negated, clause.predicate, clause.place, clause.place_adjective, clause.time]
    count = 1 + sum(map(bool, parts))
    for phrase in (clause.subject, clause.object, clause.companion):
        if phrase:
            count += 1 + bool(phrase.adjective) + (size(phrase.relative) if phrase.relative else 0)
    return count


class Chooser:
    """Random choices. Only `random()` is used, since other methods of `random.Random` may change between Python
    versions."""

    def __init__(self, rng: random.Random) -> None:
        self.random = rng.random
        self.lexicon = load()

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.random() < probability

    def choose(self, table: str, column: str = "", wanted: tuple[str, ...] = ()) -> str:
        """A concept of the table, or "" if none fits."""
        names, sums = candidates(table, column, wanted)
        return names[bisect(sums, self.random() * sums[-1])] if names else ""

    def weighted(self, choices: tuple[tuple[int, str], ...]) -> str:
        """A random choice from (weight, choice) pairs."""
        point = self.random() * sum(weight for weight, _ in choices)
        for weight, choice in choices:
            point -= weight
            if point < 0:
                return choice
        return choices[-1][1]

    def adjective(self, noun: str, probability: float) -> str:
        """An adjective that fits the noun, or ""."""
        if not self.chance(probability):
            return ""
        return self.choose("adjectives", "classes", self.lexicon.nouns[noun].tags("classes"))
