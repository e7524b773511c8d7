"""German and Dutch: the parts in which they differ from `germanic`."""

from typing import ClassVar

from dragoman.grammar.germanic import Germanic
from dragoman.grammar.meaning import AT, PLACE, Clause, Phrase
from dragoman.grammar.tokens import Form


class German(Germanic):
    """German realiser."""

    code = "de"
    links: ClassVar[dict] = {
        "and": (("und", "CCONJ"),),
        "but": (("aber", "CCONJ"),),
        "because": (("weil", "SCONJ"),),
        "when": (("wenn", "SCONJ"),),
        "that": (("dass", "SCONJ"),),
    }
    comma_before = frozenset({"but", "because", "when", "that"})
    auxiliaries: ClassVar[dict] = {"haben": ("habe", "hat", "haben"), "sein": ("bin", "ist", "sind")}
    modals: ClassVar[dict] = {
        "want": ("will", "will", "wollen"),
        "can": ("kann", "kann", "können"),
        "must": ("muss", "muss", "müssen"),
    }
    be: ClassVar[dict] = {"present": ("bin", "ist", "sind"), "past": ("war", "war", "waren")}
    pronouns: ClassVar[dict] = {"i": "ich", "we": "wir", "he": "er", "she": "sie", "they": "sie"}
    its: ClassVar[dict] = {
        "nom": {"m": "er", "f": "sie", "n": "es", "pl": "sie"},
        "acc": {"m": "ihn", "f": "sie", "n": "es", "pl": "sie"},
    }
    # The endings of der/dieser, and of ein, by case.
    strong: ClassVar[dict] = {
        "nom": {"m": "er", "f": "e", "n": "es", "pl": "e"},
        "acc": {"m": "en", "f": "e", "n": "es", "pl": "e"},
        "dat": {"m": "em", "f": "er", "n": "em", "pl": "en"},
    }
    the: ClassVar[dict] = {
        "nom": {"m": "der", "f": "die", "n": "das", "pl": "die"},
        "acc": {"m": "den", "f": "die", "n": "das", "pl": "die"},
        "dat": {"m": "dem", "f": "der", "n": "dem", "pl": "den"},
    }
    contractions: ClassVar[dict] = {
        ("in", "dem"): "im",
        ("in", "das"): "ins",
        ("an", "dem"): "am",
        ("an", "das"): "ans",
        ("zu", "dem"): "zum",
        ("zu", "der"): "zur",
        ("bei", "dem"): "beim",
    }

    def phrase(self, phrase: Phrase, base: int, case: str) -> list[Form]:
        """A noun phrase in a case. The ending of the adjective depends on whether the article has an ending."""
        if phrase.kind == "name":
            return [Form(phrase.head, "PROPN", base)]
        if phrase.kind == "pronoun":
            return [Form(self.pronouns[phrase.head], "PRON", base)]
        if phrase.kind == "it":
            return [Form(self.its[case][self.pronoun_gender(phrase)], "PRON", base)]
        gender = "pl" if phrase.plural else self.gender(phrase)
        noun = self.nouns[phrase.head]
        text = noun.sg if not phrase.plural else noun.dative_pl if case == "dat" else noun.pl
        if case != "nom" and not phrase.plural and noun.oblique:
            text = noun.oblique
        strong = self.strong[case][gender]
        same_as_nominative = gender != "pl" and case in ("nom", "acc") and strong == self.strong["nom"][gender]
        weak = "e" if same_as_nominative else "en"
        words: list[Form] = []
        ending = weak
        if phrase.determiner == "the":
            words.append(Form(self.the[case][gender], "DET", base))
        elif phrase.determiner == "this":
            words.append(Form("dies" + strong, "DET", base + 2))
        elif phrase.determiner == "a":
            bare = gender in "mn" and same_as_nominative
            words.append(Form("ein" if bare else "ein" + strong, "DET", base))
            ending = strong if same_as_nominative else "en"
        else:
            words.append(Form(self.numbers[phrase.determiner].m, "NUM", base + 2))
            ending = strong
        if phrase.adjective:
            words.append(Form(self.adjectives[phrase.adjective].stem + ending, "ADJ", base + 1))
        words.append(Form(text, "NOUN", base))
        if phrase.relative:
            comma = Form(",", "PUNCT", 0)
            words += [comma, *self.relative(phrase, base), comma]
        return words

    def place(self, clause: Clause, base: int) -> list[Form]:
        """The place with its preposition, which is contracted with the article (im, ins, zur)."""
        preposition, case = self.place_preposition(clause)[0].split(":")
        words = self.phrase(self.place_phrase(clause), base + PLACE, case)
        short = self.contractions.get((preposition, words[0].text))
        if short:
            return [Form(short, "ADP", (base + AT, base + PLACE)), *words[1:]]
        return [Form(preposition, "ADP", base + AT), *words]

    def relative_pronoun(self, phrase: Phrase) -> str:
        """Der, die, das."""
        return self.the["nom"]["pl" if phrase.plural else self.gender(phrase)]

    def predicative(self, adjective: str) -> str:
        """The adjective without an ending."""
        return self.adjectives[adjective].predicative or self.adjectives[adjective].stem


class Dutch(Germanic):
    """Dutch realiser."""

    code = "nl"
    links: ClassVar[dict] = {
        "and": (("en", "CCONJ"),),
        "but": (("maar", "CCONJ"),),
        "because": (("omdat", "SCONJ"),),
        "when": (("wanneer", "SCONJ"),),
        "that": (("dat", "SCONJ"),),
    }
    auxiliaries: ClassVar[dict] = {"hebben": ("heb", "heeft", "hebben"), "zijn": ("ben", "is", "zijn")}
    modals: ClassVar[dict] = {
        "want": ("wil", "wil", "willen"),
        "can": ("kan", "kan", "kunnen"),
        "must": ("moet", "moet", "moeten"),
    }
    be: ClassVar[dict] = {"present": ("ben", "is", "zijn"), "past": ("was", "was", "waren")}
    finite_last = False
    negation = ("niet", "ADV")
    companion = "met"
    weather = "het"
    particle_tags: ClassVar[dict] = {"weg": "ADV", "terug": "ADV", "mee": "ADV"}
    pronouns: ClassVar[dict] = {"i": "ik", "we": "we", "he": "hij", "she": "ze", "they": "ze"}
    its: ClassVar[dict] = {
        "nom": {"m": "hij", "f": "ze", "n": "het", "pl": "ze"},
        "acc": {"m": "hem", "f": "haar", "n": "het", "pl": "ze"},
    }

    def phrase(self, phrase: Phrase, base: int, case: str) -> list[Form]:
        """A noun phrase; the adjective lacks its -e only after "een" with a neuter noun."""
        if phrase.kind == "name":
            return [Form(phrase.head, "PROPN", base)]
        if phrase.kind == "pronoun":
            return [Form(self.pronouns[phrase.head], "PRON", base)]
        if phrase.kind == "it":
            return [Form(self.its[case][self.pronoun_gender(phrase)], "PRON", base)]
        gender = "pl" if phrase.plural else self.gender(phrase)
        noun = self.nouns[phrase.head]
        words: list[Form] = []
        if phrase.determiner == "the":
            words.append(Form("het" if gender == "n" else "de", "DET", base))
        elif phrase.determiner == "this":
            words.append(Form("dit" if gender == "n" else "deze", "DET", base + 2))
        elif phrase.determiner == "a":
            words.append(Form("een", "DET", base))
        else:
            words.append(Form(self.numbers[phrase.determiner].m, "NUM", base + 2))
        if phrase.adjective:
            adjective = self.adjectives[phrase.adjective]
            bare = phrase.determiner == "a" and gender == "n"
            words.append(Form(adjective.bare if bare else adjective.inflected, "ADJ", base + 1))
        words.append(Form(noun.pl if phrase.plural else noun.sg, "NOUN", base))
        if phrase.relative:
            words += [*self.relative(phrase, base), Form(",", "PUNCT", 0)]
        return words

    def place(self, clause: Clause, base: int) -> list[Form]:
        """The place with its preposition, which may follow: de tuin in."""
        preposition, bare = self.place_preposition(clause)
        words = self.phrase(self.place_phrase(clause), base + PLACE, "dat")
        if preposition[0] == "+":
            return [*words, Form(preposition[1:], "ADP", base + AT)]
        return [Form(preposition, "ADP", base + AT), *words[bare:]]

    def relative_pronoun(self, phrase: Phrase) -> str:
        """Die or dat."""
        return "dat" if not phrase.plural and self.gender(phrase) == "n" else "die"

    def predicative(self, adjective: str) -> str:
        """The adjective without an ending."""
        return self.adjectives[adjective].bare
