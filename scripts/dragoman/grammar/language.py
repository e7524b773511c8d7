"""Base of all realisers: joins clauses, and determines the person with which a verb agrees."""

from typing import ClassVar

from dragoman.grammar.lexicon import Lexicon
from dragoman.grammar.meaning import AT, CLAUSE, COMPANION, LINK, PLACE, SUBJECT, VERB, WITH, Clause, Meaning, Phrase
from dragoman.grammar.tokens import Form, Sentence, sentence

COMMA = Form(",", "PUNCT", 0)


def slot(phrase: Phrase) -> int:
    """Index of the verb form that agrees with the phrase: 0 I, 1 he/she/it, 2 we, 3 they."""
    if phrase.kind == "pronoun" and phrase.head in ("i", "we"):
        return 0 if phrase.head == "i" else 2
    return 3 if is_plural(phrase) else 1


def is_plural(phrase: Phrase) -> bool:
    """Whether the phrase is plural; "we" and "they" always are."""
    return phrase.plural or (phrase.kind == "pronoun" and phrase.head in ("we", "they"))


def preposition_part(base: int) -> int:
    """Number of the preposition of a noun phrase, given the number of the phrase. Romanian "pe" has the number of its
    object."""
    return base + {PLACE: AT - PLACE, COMPANION: WITH - COMPANION}.get(base % CLAUSE, 0)


class Language:
    """A realiser, which expresses meanings in a language. Subclasses define `clause` and the tables."""

    code = ""
    # Link -> its words. Their part of the meaning is LINK of the clause that they introduce.
    links: ClassVar[dict] = {}
    # Links with a comma before them.
    comma_before: frozenset[str] = frozenset({"but"})
    # Whether a pronoun is left out if it refers to the subject of the clause before: Paul dorme perché è stanco.
    drops_subject = False

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        code = self.code
        self.nouns = {name: entry.forms[code] for name, entry in lexicon.nouns.items()}
        self.verbs = {name: entry.forms[code] for name, entry in lexicon.verbs.items()}
        self.adjectives = {name: entry.forms[code] for name, entry in lexicon.adjectives.items()}
        self.times = {name: entry.forms[code].words for name, entry in lexicon.times.items()}
        self.numbers = {name: entry.forms[code] for name, entry in lexicon.numbers.items()}
        self.prepositions = {name: entry.forms[code] for name, entry in lexicon.places.items()}
        self.place_nouns = {name: entry.facts["noun"] for name, entry in lexicon.places.items()}
        self.motion = {name for name, entry in lexicon.verbs.items() if entry.facts["frame"] == "motion"}
        self.weather_verbs = {name for name, entry in lexicon.verbs.items() if entry.facts["frame"] == "weather"}
        self.sex = {name: entry.facts["sex"] for name, entry in lexicon.names.items()}
        self.noun_sex = {name: entry.facts["sex"] for name, entry in lexicon.nouns.items()}
        self.kin = {name for name, entry in lexicon.nouns.items() if "kin" in entry.tags("classes")}
        self.humans = {name for name, entry in lexicon.nouns.items() if "human" in entry.tags("classes")}

    def clause(self, clause: Clause, base: int, mode: str, subject: Phrase | None) -> list[Form]:
        """The word forms of a clause.

        Args:
            clause: the clause.
            base: number of the first part of the clause.
            mode: "main", "inverted" (it follows another clause, so in German and Dutch the verb comes first),
                "subordinate", "relative" or "shared" (without its subject).
            subject: the phrase that the verb agrees with.
        """
        raise NotImplementedError

    def finish(self, forms: list[Form]) -> list[Form]:
        """Adjust neighbouring words (French elision)."""
        return forms

    def gender(self, phrase: Phrase) -> str:
        """Grammatical gender of a phrase; groups and speakers of unknown sex are masculine."""
        if phrase.head in self.sex:
            return self.sex[phrase.head]
        if phrase.kind == "pronoun":
            return "f" if phrase.head == "she" else "m"
        return self.nouns[phrase.head].gender

    def time(self, clause: Clause, base: int, part: int) -> list[Form]:
        """The time expression; a fixed phrase is one part of the meaning."""
        return [Form(text, upos, base + part) for text, upos in self.times[clause.time]] if clause.time else []

    def subject_part(self, phrase: Phrase) -> int:
        """The part of a subject: Italian and Romanian leave out "it", so elsewhere it belongs to the verb."""
        return VERB if phrase.kind == "it" else SUBJECT

    def place_phrase(self, clause: Clause) -> Phrase:
        """The noun of the place, with its adjective."""
        return Phrase("noun", self.place_nouns[clause.place], adjective=clause.place_adjective)

    def place_preposition(self, clause: Clause) -> tuple[str, bool]:
        """The preposition (where to with verbs of motion, otherwise where), and whether the article is dropped."""
        both = self.prepositions[clause.place]
        text = both.to if clause.verb in self.motion else both.at
        if "~" not in text and ">" not in text:
            return text, False
        first, _, other = text.partition("~" if "~" in text else ">")
        return (other or first, False) if clause.place_adjective else (first, "~" in text)

    def link(self, name: str, base: int) -> list[Form]:
        """The conjunction."""
        return [Form(text, upos, base + LINK) for text, upos in self.links[name]]

    def realise(self, meaning: Meaning) -> Sentence:
        """The sentence for a meaning."""
        main, second, link = meaning.main, meaning.second, meaning.link
        if second is None:
            forms = self.clause(main, 0, "main", main.subject)
        else:
            subordinate = link in ("because", "when", "that")
            subject = second.subject or (None if second.verb in self.weather_verbs else main.subject)
            mode = "subordinate" if subordinate else "main" if second.subject or link == "but" else "shared"
            other = self.clause(second, CLAUSE, mode, subject)
            if second.subject and main.subject and self.same(second.subject, main.subject):
                other = self.repeated(other)
            other = self.link(link, CLAUSE) + other
            if meaning.link_first:
                forms = [*other, COMMA, *self.clause(main, 0, "inverted", main.subject)]
            else:
                comma = [COMMA] if link in self.comma_before else []
                forms = [*self.clause(main, 0, "main", main.subject), *comma, *other]
        return sentence(self.finish(forms))

    def same(self, pronoun: Phrase, named: Phrase) -> bool:
        """Whether a pronoun stands for the named person or people."""
        if pronoun.kind != "pronoun":
            return False
        if named.kind == "pronoun":
            return pronoun == named
        sex = self.sex.get(named.head) or self.noun_sex[named.head]
        if named.plural:
            return pronoun.head == "they" and sex != "f" and named.head in self.humans
        return pronoun.head == {"m": "he", "f": "she"}.get(sex)

    def repeated(self, forms: list[Form]) -> list[Form]:
        """The second clause with the subject of the first: its pronoun, where there is one, belongs to the verb."""
        subject, verb = CLAUSE + SUBJECT, CLAUSE + VERB
        if self.drops_subject:
            return [form for form in forms if form.part != subject]
        return [form._replace(part=verb) if form.part == subject else form for form in forms]

    def relative(self, phrase: Phrase, base: int) -> list[Form]:
        """The relative clause of a subject: it has its own numbers, two clauses further on."""
        if phrase.relative is None:
            return []
        return self.clause(phrase.relative, base - base % CLAUSE + 2 * CLAUSE, "relative", phrase)
