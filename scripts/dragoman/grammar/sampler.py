"""Draws meanings at random: which noun goes with which verb, adjective and place is written in the lexicon."""

import random
from bisect import bisect
from functools import cache
from itertools import accumulate

from dragoman.grammar.lexicon import load
from dragoman.grammar.meaning import Clause, Meaning, Phrase

EXPONENT = 0.7  # of Zipf's law: the n-th word of a class has the weight n ** -0.7
# (weight, shape) of whole sentences.
SHAPES = (
    (40, "single"),
    (18, "because"),
    (8, "when"),
    (9, "that"),
    (9, "shared"),
    (9, "and"),
    (7, "but"),
)


def cumulative(weights: list[float]) -> list[float]:
    """Running sums."""
    return list(accumulate(weights))


@cache
def candidates(table: str, column: str, wanted: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The concepts of a table that have one of the wanted words in a column, with running Zipf weights."""
    entries = getattr(load(), table)
    names = [name for name, entry in entries.items() if not column or set(entry.tags(column)) & set(wanted)]
    return tuple(names), tuple(cumulative([(rank + 1) ** -EXPONENT for rank in range(len(names))]))


class Sampler:
    """Draws with `random()` only: other methods of `random.Random` may change between Python versions."""

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
        """One of a few choices."""
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

    def noun_phrase(self, noun: str, definite: bool = False) -> Phrase:
        """A noun with determiner and perhaps an adjective; `definite` for people named as known."""
        kind = self.weighted(((55, "the"), (8, "this"), (8, "these"), (12, "plural")) if definite else
                             ((42, "the"), (26, "a"), (6, "this"), (5, "these"), (8, "plural"), (13, "number")))
        adjective = self.adjective(noun, 0.38)
        if kind == "number":
            return Phrase("noun", noun, True, self.choose("numbers"), adjective)
        determiner = {"plural": "the", "these": "this"}.get(kind, kind)
        return Phrase("noun", noun, kind in ("plural", "these"), determiner, adjective)

    def subject(self, classes: tuple[str, ...], relative: bool = True) -> Phrase:
        """A subject of one of the classes."""
        human = "human" in classes
        kind = self.weighted(((50, "noun"), (28, "name"), (22, "pronoun"))) if human else "noun"
        if kind == "name":
            return Phrase("name", self.choose("names"))
        if kind == "pronoun":
            return Phrase("pronoun", self.weighted(((3, "i"), (3, "we"), (2, "he"), (2, "she"), (2, "they"))))
        noun = self.choose("nouns", "classes", classes)
        phrase = self.noun_phrase(noun)
        if relative and phrase.determiner != "this" and "human" in self.lexicon.nouns[noun].tags("classes"):
            if self.chance(0.12):
                return self.with_relative(phrase)
        return phrase

    def with_relative(self, phrase: Phrase) -> Phrase:
        """Add "who reads the book"."""
        verb = self.choose("verbs", "frame", ("transitive",))
        facts = self.lexicon.verbs[verb]
        classes = self.lexicon.nouns[phrase.head].tags("classes")
        if "human" not in facts.tags("subjects") or self.ambiguous(verb, phrase):
            return phrase
        thing = self.noun_phrase(self.choose("nouns", "classes", facts.tags("objects")))
        del classes
        return Phrase(phrase.kind, phrase.head, phrase.plural, phrase.determiner, phrase.adjective,
                      Clause(None, verb, object=thing))

    def ambiguous(self, verb: str, subject: Phrase) -> bool:
        """Whether English does not show the tense: they read, they put."""
        english = self.lexicon.verbs[verb].forms["en"]
        third = not subject.plural and not (subject.kind == "pronoun" and subject.head in ("i", "we", "they"))
        return english.base == english.past and not third

    def action(self, subject: Phrase | None = None, tense: str = "", bare: bool = False) -> Clause:
        """A clause with a full verb. `bare` leaves out adverbials."""
        frame = self.weighted(((24, "intransitive"), (56, "transitive"), (20, "motion")))
        verb = self.choose("verbs", "frame", (frame,))
        entry = self.lexicon.verbs[verb]
        if subject is None:
            subject = self.subject(entry.tags("subjects"))
        elif not self.can_do(subject, verb):
            return self.action(subject, tense, bare)
        tenses = entry.tags("tenses")
        if tense not in tenses:
            tense = "past" if "past" in tenses and self.chance(0.4) else "present"
        negated = self.chance(0.13)
        modal = ""
        if tense == "present" and frame != "saying" and self.human(subject) and self.chance(0.3):
            modal = self.weighted(((5, "want"), (4, "can"), (0 if negated else 4, "must")))
        thing = None
        if frame == "transitive":
            thing = self.noun_phrase(self.choose("nouns", "classes", entry.tags("objects")), definite=negated)
            if thing.head == subject.head:
                thing = None
                return self.action(None, tense, bare)
        place = place_adjective = ""
        if frame == "motion" or (not negated and not bare and self.chance(0.4)):
            place, place_adjective = self.place(verb, frame)
        companion = None
        if frame == "motion" and not negated and self.human(subject) and self.chance(0.25):
            companion = self.companion(subject)
        time = self.choose("times", "tenses", (tense,)) if not bare and self.chance(0.45) else ""
        if not modal and not negated and not time and self.ambiguous(verb, subject):
            time = self.choose("times", "tenses", (tense,))
        front = "time" if time and self.chance(0.45) else ""
        if not front and place and frame != "motion" and self.chance(0.2):
            front = "place"
        return Clause(subject, verb, tense, negated, modal, thing, "", place, place_adjective, companion, time, front)

    def can_do(self, subject: Phrase, verb: str) -> bool:
        """Whether the subject is of a class that the verb takes."""
        wanted = self.lexicon.verbs[verb].tags("subjects")
        if subject.kind != "noun":
            return "human" in wanted
        return bool(set(wanted) & set(self.lexicon.nouns[subject.head].tags("classes")))

    def human(self, phrase: Phrase) -> bool:
        """Whether the phrase names people."""
        return phrase.kind != "noun" or "human" in self.lexicon.nouns[phrase.head].tags("classes")

    def place(self, verb: str, frame: str) -> tuple[str, str]:
        """A place that fits the verb, and perhaps an adjective."""
        wanted = self.lexicon.verbs[verb].tags("places")
        nouns, _ = candidates("nouns", "classes", wanted)
        names, sums = candidates("places", "noun", nouns) if nouns else ((), ())
        if not names:
            return "", ""
        place = names[bisect(sums, self.random() * sums[-1])]
        entry = self.lexicon.places[place]
        if frame == "motion" and entry.facts["motion"] == "no":
            return self.place(verb, frame)
        return place, self.adjective(entry.facts["noun"], 0.25)

    def companion(self, subject: Phrase) -> Phrase | None:
        """Someone who comes along."""
        if self.chance(0.5):
            name = self.choose("names")
            return Phrase("name", name) if name != subject.head else None
        noun = self.choose("nouns", "classes", ("human", "pet"))
        return Phrase("noun", noun, adjective=self.adjective(noun, 0.25)) if noun != subject.head else None

    def description(self, subject: Phrase | None = None, noun: str = "", tense: str = "present") -> Clause:
        """The house is old."""
        if not noun:
            noun = self.choose("nouns", "classes", ("human", "animal", "thing", "building", "room", "outdoors"))
        classes = self.lexicon.nouns[noun].tags("classes")
        adjective = ""
        while not adjective or self.lexicon.adjectives[adjective].facts["predicative"] == "no":
            adjective = self.choose("adjectives", "classes", classes)
        if subject is None:
            plural = self.chance(0.25)
            subject = Phrase("noun", noun, plural, "this" if self.chance(0.2) else "the")
        return Clause(subject, "be", tense, self.chance(0.2), predicate=adjective)

    def meaning(self) -> Meaning:
        """A whole sentence."""
        shape = self.weighted(SHAPES)
        if shape == "single":
            return Meaning(self.description(tense=self.tense()) if self.chance(0.12) else self.action())
        if shape == "when":
            weather = Clause(None, self.choose("verbs", "frame", ("weather",)))
            first = weather if self.chance(0.4) else self.short(tense="present")
            main = self.action(tense="present")
            if main.tense != "present" or main.front or first.tense != "present":
                return self.meaning()
            return Meaning(main, "when", first, self.chance(0.5))
        if shape == "that":
            verb = self.choose("verbs", "frame", ("saying",))
            main = Clause(self.subject(("human",), relative=False), verb, negated=False)
            return Meaning(main, "that", self.short())
        main = self.action()
        if shape == "shared":
            return self.shared(main)
        if shape == "because":
            return Meaning(main, "because", self.reason(main))
        second = self.action(bare=True)
        if second.subject == main.subject:
            return self.meaning()
        return Meaning(main, shape, second)

    def tense(self) -> str:
        """Present more often than past."""
        return "past" if self.chance(0.35) else "present"

    def short(self, tense: str = "") -> Clause:
        """A clause for a subordinate place: nothing stands before its subject."""
        if self.chance(0.35):
            return self.description(tense=tense or self.tense())
        clause = self.action(tense=tense, bare=True)
        return clause if not clause.front else self.short(tense)

    def reason(self, main: Clause) -> Clause:
        """Because: about the object, about the same person, or something else."""
        thing = main.object
        if thing and thing.determiner in ("the", "this") and self.chance(0.4) and not self.human(thing):
            it = Phrase("it", thing.head, thing.plural)
            return self.description(it, thing.head, main.tense)
        return self.short(tense=main.tense)

    def shared(self, main: Clause) -> Meaning:
        """Anna buys a book and reads it."""
        thing = main.object
        if thing is None or main.negated or main.modal or main.time or main.place or thing.kind != "noun":
            return self.meaning()
        classes = self.lexicon.nouns[thing.head].tags("classes")
        for _ in range(8):
            verb = self.choose("verbs", "objects", classes)
            if verb and verb != main.verb and main.subject and self.can_do(main.subject, verb):
                if main.tense in self.lexicon.verbs[verb].tags("tenses") and not self.ambiguous(verb, main.subject):
                    it = Phrase("it", thing.head, thing.plural)
                    return Meaning(main, "and", Clause(None, verb, main.tense, object=it))
        return self.meaning()
