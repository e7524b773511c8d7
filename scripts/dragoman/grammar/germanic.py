"""German and Dutch: verb second, verbs at the end of subordinate clauses, separable verbs, clause-final participles."""

from dragoman.grammar.language import Language, slot
from dragoman.grammar.lexicon import GermanicVerb
from dragoman.grammar.meaning import (
    COMPANION,
    LINK,
    MODAL,
    NEGATION,
    OBJECT,
    PLACE,
    PREDICATE,
    TIME,
    VERB,
    Clause,
    Phrase,
)
from dragoman.grammar.tokens import Piece


class Germanic(Language):
    """What German and Dutch share: the order of the clause."""

    auxiliaries: dict[str, tuple[str, str, str]] = {}
    modals: dict[str, tuple[str, str, str]] = {}
    be: dict[str, tuple[str, str, str]] = {}
    finite_last = True  # at the end of a subordinate clause: gelesen hat (German), heeft gelezen (Dutch)
    negation = ("nicht", "PART")
    companion = "mit"
    particle_tags: dict[str, str] = {}

    def phrase(self, phrase: Phrase, base: int, case: str) -> list[Piece]:
        """A noun phrase in a case ("nom", "acc", "dat")."""
        raise NotImplementedError

    def place(self, clause: Clause, base: int) -> list[Piece]:
        """The place with its preposition."""
        raise NotImplementedError

    def relative_pronoun(self, phrase: Phrase) -> str:
        """The pronoun of a relative clause, as its subject."""
        raise NotImplementedError

    def verbs_of(self, clause: Clause, base: int, person: int) -> tuple[Piece, list[Piece], str]:
        """The finite verb, the verbs at the end of the clause, and the particle that the finite verb has lost."""
        row = (0, 1, 2, 2)[person]
        if clause.verb == "be":
            return Piece(self.be[clause.tense][row], "AUX", base + VERB), [], ""
        verb: GermanicVerb = self.verbs[clause.verb]
        if clause.modal:
            last = Piece(verb.infinitive, "VERB", base + VERB)
            return Piece(self.modals[clause.modal][row], "AUX", base + MODAL), [last], ""
        if clause.tense == "past":
            last = Piece(verb.participle, "VERB", base + VERB)
            return Piece(self.auxiliaries[verb.auxiliary][row], "AUX", base + VERB), [last], ""
        return Piece(verb[row], "VERB", base + VERB), [], verb.particle

    def clause(self, clause: Clause, base: int, mode: str, subject: Phrase | None) -> list[Piece]:
        """Lay out the clause around its two verb positions."""
        finite, last, particle = self.verbs_of(clause, base, slot(subject) if subject else 1)
        time = self.time(clause, base, TIME)
        place = self.place(clause, base) if clause.place else []
        front = time if clause.front == "time" else place if clause.front == "place" else []
        first: list[Piece] = []
        if mode == "relative" and subject:
            first = [Piece(self.relative_pronoun(subject), "PRON", base + LINK)]
        elif clause.subject:
            first = self.phrase(clause.subject, base + self.subject_part(clause.subject), "nom")
        elif subject is None:
            first = [Piece(self.weather, "PRON", base + VERB)]
        middle: list[Piece] = []
        if clause.object and clause.object.kind == "it":
            middle += self.phrase(clause.object, base + OBJECT, "acc")
        if clause.front != "time":
            middle += time
        if clause.object and clause.object.kind != "it":
            middle += self.phrase(clause.object, base + OBJECT, "acc")
        if clause.negated:
            middle.append(Piece(*self.negation, base + NEGATION))
        if clause.companion:
            middle.append(Piece(self.companion, "ADP", base + COMPANION))
            middle += self.phrase(clause.companion, base + COMPANION, "dat")
        if clause.front != "place":
            middle += place
        if clause.predicate:
            middle.append(Piece(self.predicative(clause.predicate), "ADJ", base + PREDICATE))
        if mode in ("subordinate", "relative"):
            if particle:
                finite = finite._replace(text=particle + finite.text)
            cluster = [*last, finite] if self.finite_last else [finite, *last]
            return first + middle + cluster
        if particle:
            last = [Piece(particle, self.particle_tags.get(particle, "ADP"), base + VERB)]
        if mode == "inverted":
            return [finite, *first, *middle, *last]
        if front:
            return [*front, finite, *first, *middle, *last]
        return [*first, finite, *middle, *last]

    weather = "es"

    def predicative(self, adjective: str) -> str:
        """The adjective after "to be"."""
        raise NotImplementedError


class German(Germanic):
    """German realiser."""

    code = "de"
    links = {
        "and": (("und", "CCONJ"),),
        "but": (("aber", "CCONJ"),),
        "because": (("weil", "SCONJ"),),
        "when": (("wenn", "SCONJ"),),
        "that": (("dass", "SCONJ"),),
    }
    comma_before = frozenset({"but", "because", "when", "that"})
    auxiliaries = {"haben": ("habe", "hat", "haben"), "sein": ("bin", "ist", "sind")}
    modals = {
        "want": ("will", "will", "wollen"),
        "can": ("kann", "kann", "können"),
        "must": ("muss", "muss", "müssen"),
    }
    be = {"present": ("bin", "ist", "sind"), "past": ("war", "war", "waren")}
    pronouns = {"i": "ich", "we": "wir", "he": "er", "she": "sie", "they": "sie"}
    its = {"nom": {"m": "er", "f": "sie", "n": "es", "pl": "sie"}, "acc": {"m": "ihn", "f": "sie", "n": "es", "pl": "sie"}}
    # The endings of der/dieser, and of ein, by case.
    strong = {
        "nom": {"m": "er", "f": "e", "n": "es", "pl": "e"},
        "acc": {"m": "en", "f": "e", "n": "es", "pl": "e"},
        "dat": {"m": "em", "f": "er", "n": "em", "pl": "en"},
    }
    the = {
        "nom": {"m": "der", "f": "die", "n": "das", "pl": "die"},
        "acc": {"m": "den", "f": "die", "n": "das", "pl": "die"},
        "dat": {"m": "dem", "f": "der", "n": "dem", "pl": "den"},
    }
    contractions = {
        ("in", "dem"): "im",
        ("in", "das"): "ins",
        ("an", "dem"): "am",
        ("an", "das"): "ans",
        ("zu", "dem"): "zum",
        ("zu", "der"): "zur",
        ("bei", "dem"): "beim",
    }

    def phrase(self, phrase: Phrase, base: int, case: str) -> list[Piece]:
        """A noun phrase in a case; the ending of the adjective depends on what the article leaves unsaid."""
        if phrase.kind == "name":
            return [Piece(phrase.head, "PROPN", base)]
        if phrase.kind == "pronoun":
            return [Piece(self.pronouns[phrase.head], "PRON", base)]
        gender = "pl" if phrase.plural else self.gender(phrase)
        if phrase.kind == "it":
            return [Piece(self.its[case][gender], "PRON", base)]
        noun = self.nouns[phrase.head]
        text = noun.sg if not phrase.plural else noun.dative_pl if case == "dat" else noun.pl
        if case != "nom" and not phrase.plural and noun.oblique:
            text = noun.oblique
        strong = self.strong[case][gender]
        same_as_nominative = gender != "pl" and case in ("nom", "acc") and strong == self.strong["nom"][gender]
        weak = "e" if same_as_nominative else "en"
        words: list[Piece] = []
        ending = weak
        if phrase.determiner == "the":
            words.append(Piece(self.the[case][gender], "DET", base))
        elif phrase.determiner == "this":
            words.append(Piece("dies" + strong, "DET", base + 2))
        elif phrase.determiner == "a":
            bare = gender in "mn" and same_as_nominative
            words.append(Piece("ein" if bare else "ein" + strong, "DET", base))
            ending = strong if same_as_nominative else "en"
        else:
            words.append(Piece(self.numbers[phrase.determiner].m, "NUM", base + 2))
            ending = strong
        if phrase.adjective:
            words.append(Piece(self.adjectives[phrase.adjective].stem + ending, "ADJ", base + 1))
        words.append(Piece(text, "NOUN", base))
        if phrase.relative:
            comma = Piece(",", "PUNCT", 0)
            words += [comma, *self.relative(phrase, base), comma]
        return words

    def place(self, clause: Clause, base: int) -> list[Piece]:
        """The place: preposition and article melt (im, ins, zur)."""
        preposition, case = self.place_preposition(clause).split(":")
        words = self.phrase(self.place_phrase(clause), base + PLACE, case)
        short = self.contractions.get((preposition, words[0].text))
        if short:
            return [Piece(short, "ADP", base + PLACE), *words[1:]]
        return [Piece(preposition, "ADP", base + PLACE), *words]

    def relative_pronoun(self, phrase: Phrase) -> str:
        """Der, die, das."""
        return self.the["nom"]["pl" if phrase.plural else self.gender(phrase)]

    def predicative(self, adjective: str) -> str:
        """The adjective without an ending."""
        return self.adjectives[adjective].predicative or self.adjectives[adjective].stem


class Dutch(Germanic):
    """Dutch realiser."""

    code = "nl"
    links = {
        "and": (("en", "CCONJ"),),
        "but": (("maar", "CCONJ"),),
        "because": (("omdat", "SCONJ"),),
        "when": (("wanneer", "SCONJ"),),
        "that": (("dat", "SCONJ"),),
    }
    auxiliaries = {"hebben": ("heb", "heeft", "hebben"), "zijn": ("ben", "is", "zijn")}
    modals = {"want": ("wil", "wil", "willen"), "can": ("kan", "kan", "kunnen"), "must": ("moet", "moet", "moeten")}
    be = {"present": ("ben", "is", "zijn"), "past": ("was", "was", "waren")}
    finite_last = False
    negation = ("niet", "ADV")
    companion = "met"
    weather = "het"
    particle_tags = {"weg": "ADV", "terug": "ADV", "mee": "ADV"}
    pronouns = {"i": "ik", "we": "we", "he": "hij", "she": "ze", "they": "ze"}
    its = {"nom": {"m": "hij", "f": "ze", "n": "het", "pl": "ze"}, "acc": {"m": "hem", "f": "haar", "n": "het", "pl": "ze"}}

    def phrase(self, phrase: Phrase, base: int, case: str) -> list[Piece]:
        """A noun phrase; the adjective lacks its -e only after "een" with a neuter noun."""
        if phrase.kind == "name":
            return [Piece(phrase.head, "PROPN", base)]
        if phrase.kind == "pronoun":
            return [Piece(self.pronouns[phrase.head], "PRON", base)]
        gender = "pl" if phrase.plural else self.gender(phrase)
        if phrase.kind == "it":
            return [Piece(self.its[case][gender], "PRON", base)]
        noun = self.nouns[phrase.head]
        words: list[Piece] = []
        if phrase.determiner == "the":
            words.append(Piece("het" if gender == "n" else "de", "DET", base))
        elif phrase.determiner == "this":
            words.append(Piece("dit" if gender == "n" else "deze", "DET", base + 2))
        elif phrase.determiner == "a":
            words.append(Piece("een", "DET", base))
        else:
            words.append(Piece(self.numbers[phrase.determiner].m, "NUM", base + 2))
        if phrase.adjective:
            adjective = self.adjectives[phrase.adjective]
            bare = phrase.determiner == "a" and gender == "n"
            words.append(Piece(adjective.bare if bare else adjective.inflected, "ADJ", base + 1))
        words.append(Piece(noun.pl if phrase.plural else noun.sg, "NOUN", base))
        if phrase.relative:
            words += [*self.relative(phrase, base), Piece(",", "PUNCT", 0)]
        return words

    def place(self, clause: Clause, base: int) -> list[Piece]:
        """The place with its preposition."""
        words = self.phrase(self.place_phrase(clause), base + PLACE, "dat")
        return [Piece(self.place_preposition(clause), "ADP", base + PLACE), *words]

    def relative_pronoun(self, phrase: Phrase) -> str:
        """Die or dat."""
        return "dat" if not phrase.plural and self.gender(phrase) == "n" else "die"

    def predicative(self, adjective: str) -> str:
        """The adjective without an ending."""
        return self.adjectives[adjective].bare
