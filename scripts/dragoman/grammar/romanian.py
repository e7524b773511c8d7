"""Romanian: suffixed article, "pe" with doubled clitics for people, clitics before and after the verb, "să"."""

from typing import ClassVar

from dragoman.grammar.language import Language, is_plural, preposition_part, slot
from dragoman.grammar.meaning import (
    COMPANION,
    LINK,
    MODAL,
    NEGATION,
    OBJECT,
    PLACE,
    PREDICATE,
    SUBJECT,
    TIME,
    VERB,
    Clause,
    Phrase,
)
from dragoman.grammar.shapes import RomanianVerb
from dragoman.grammar.tokens import Form

PRONOUNS = {"i": "eu", "we": "noi", "he": "el", "she": "ea", "they": "ei"}
HAVE = ("am", "a", "am", "au")
BE = {"present": ("sunt", "este", "suntem", "sunt"), "past": ("eram", "era", "eram", "erau")}
MODALS = {
    "want": ("vreau", "vrea", "vrem", "vor"),
    "can": ("pot", "poate", "putem", "pot"),
    "must": ("trebuie", "trebuie", "trebuie", "trebuie"),
}
# Clitic forms by (gender, plural): alone before a verb, and hyphenated to the auxiliary or to "să".
CLITICS = {("m", False): ("îl", "l"), ("f", False): ("o", "o"), ("m", True): ("îi", "i"), ("f", True): ("le", "le")}


class Romanian(Language):
    """Romanian realiser."""

    code = "ro"
    drops_subject = True
    links: ClassVar[dict] = {
        "and": (("și", "CCONJ"),),
        "but": (("dar", "CCONJ"),),
        "because": (("pentru", "ADP"), ("că", "SCONJ")),
        "when": (("când", "SCONJ"),),
        "that": (("că", "SCONJ"),),
    }

    def form_gender(self, phrase: Phrase) -> str:
        """Masculine or feminine: neuter nouns are masculine in the singular and feminine in the plural."""
        gender = self.gender(phrase)
        if gender == "n":
            return "f" if is_plural(phrase) else "m"
        return gender

    def phrase(self, phrase: Phrase, base: int, preposition: str = "", keep: bool = False) -> list[Form]:
        """A noun phrase; after most prepositions (not `keep`) a noun without an adjective loses its article."""
        lead = [Form(preposition, "ADP", preposition_part(base))] if preposition else []
        if phrase.kind == "name":
            return [*lead, Form(phrase.head, "PROPN", base)]
        if phrase.kind == "pronoun":
            return [*lead, Form(PRONOUNS[phrase.head], "PRON", base)]
        noun = self.nouns[phrase.head]
        gender, plural = self.form_gender(phrase), phrase.plural
        definite = phrase.determiner == "the" and not (
            preposition and not keep and not phrase.adjective and phrase.head not in self.kin
        )
        text = (noun.definite_pl if plural else noun.definite) if definite else (noun.pl if plural else noun.sg)
        words = lead
        if phrase.determiner == "this":
            this = {("m", False): "acest", ("f", False): "această", ("m", True): "acești", ("f", True): "aceste"}
            words.append(Form(this[gender, plural], "DET", base + 2))
        elif phrase.determiner == "a":
            words.append(Form("o" if gender == "f" else "un", "DET", base))
        elif phrase.determiner != "the":
            number = self.numbers[phrase.determiner]
            words.append(Form(number.f or number.m if gender == "f" else number.m, "NUM", base + 2))
        words.append(Form(text, "NOUN", base))
        if phrase.adjective:
            words.append(Form(self.agree(phrase.adjective, phrase), "ADJ", base + 1))
        return words + self.relative(phrase, base)

    def agree(self, adjective: str, phrase: Phrase) -> str:
        """The adjective in the gender and number of the phrase."""
        return self.adjectives[adjective][(2 if is_plural(phrase) else 0) + (self.form_gender(phrase) == "f")]

    def marked(self, phrase: Phrase) -> bool:
        """Whether the object takes "pe" and a clitic: definite people."""
        if phrase.kind == "name":
            return True
        return phrase.kind == "noun" and phrase.determiner in ("the", "this") and phrase.head in self.humans

    def verb_group(self, clause: Clause, base: int, person: int) -> list[Form]:
        """Negation, clitic, auxiliary and verb."""
        negation = [Form("nu", "PART", base + NEGATION)] if clause.negated else []
        if clause.verb == "be":
            return [*negation, Form(BE[clause.tense][person], "AUX", base + VERB)]
        verb: RomanianVerb = self.verbs[clause.verb]
        clitic: tuple[str, str] | None = None
        if clause.object and (clause.object.kind == "it" or self.marked(clause.object)):
            clitic = CLITICS[self.form_gender(clause.object), is_plural(clause.object)]
        part = base + OBJECT
        if clause.modal:
            group = [*negation, Form(MODALS[clause.modal][person], "VERB", base + MODAL)]
            group.append(Form("să", "PART", base + VERB))
            if clitic:
                short = clitic[1] in ("l", "i")
                group.append(Form("-" + clitic[1] if short else clitic[1], "PRON", part))
            form = verb.subjunctive if person in (1, 3) else verb[person]
            return [*group, Form(form, "VERB", base + VERB)]
        if clause.tense == "past":
            auxiliary = Form(HAVE[person], "AUX", base + VERB)
            participle = Form(verb.participle, "VERB", base + VERB)
            if clitic is None:
                return [*negation, auxiliary, participle]
            if clitic[0] == "o":
                return [*negation, auxiliary, participle, Form("-o", "PRON", part)]
            return [*negation, Form(clitic[1] + "-", "PRON", part), auxiliary, participle]
        finite = Form(verb[person], "VERB", base + VERB)
        return [*negation, *([Form(clitic[0], "PRON", part)] if clitic else []), finite]

    def clause(self, clause: Clause, base: int, mode: str, subject: Phrase | None) -> list[Form]:
        """Subject, verb group, object, place, companion, time."""
        time = self.time(clause, base, TIME)
        place: list[Form] = []
        if clause.place:
            preposition, bare = self.place_preposition(clause)
            place = self.phrase(self.place_phrase(clause), base + PLACE, preposition, keep=not bare)
        forms = list(time if clause.front == "time" else place if clause.front == "place" else [])
        if mode == "relative":
            forms.append(Form("care", "PRON", base + LINK))
        elif clause.subject and clause.subject.kind != "it":
            forms += self.phrase(clause.subject, base + SUBJECT)
        forms += self.verb_group(clause, base, slot(subject) if subject else 1)
        if clause.predicate and subject:
            forms.append(Form(self.agree(clause.predicate, subject), "ADJ", base + PREDICATE))
        if clause.object and clause.object.kind != "it":
            preposition = "pe" if self.marked(clause.object) else ""
            forms += self.phrase(clause.object, base + OBJECT, preposition)
        if clause.front != "place":
            forms += place
        if clause.companion:
            forms += self.phrase(clause.companion, base + COMPANION, "cu", keep=True)
        if clause.front != "time":
            forms += time
        return forms
