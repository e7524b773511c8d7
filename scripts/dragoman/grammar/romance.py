"""French and Italian: agreement, adjectives after (some before) the noun, clitics before the verb, elision."""

from typing import ClassVar

from dragoman.grammar.language import COMMA, Language, is_plural, preposition_part, slot
from dragoman.grammar.meaning import (
    AT,
    COMPANION,
    LINK,
    MODAL,
    OBJECT,
    PLACE,
    PREDICATE,
    SUBJECT,
    TIME,
    VERB,
    Clause,
    Phrase,
)
from dragoman.grammar.shapes import RomanceVerb
from dragoman.grammar.tokens import Form


class Romance(Language):
    """Base of French and Italian."""

    auxiliaries: ClassVar[dict] = {}
    modals: ClassVar[dict] = {}
    be: ClassVar[dict] = {}
    pronouns: ClassVar[dict] = {}
    companion = "avec"
    who = "qui"
    have = "avoir"
    modal_tag = "VERB"
    front_comma = False

    def phrase(self, phrase: Phrase, base: int, preposition: str = "") -> list[Form]:
        """A noun phrase with its preposition, which may be contracted with the article."""
        lead = [Form(preposition, "ADP", preposition_part(base))] if preposition else []
        if phrase.kind == "name":
            return [*lead, Form(phrase.head, "PROPN", base)]
        if phrase.kind == "pronoun":
            return [*lead, Form(self.pronouns[phrase.head], "PRON", base)]
        noun = self.nouns[phrase.head]
        gender, plural = noun.gender, phrase.plural
        words = [Form(noun.pl if plural else noun.sg, "NOUN", base)]
        if phrase.adjective:
            adjective = self.adjectives[phrase.adjective]
            text = self.agree(adjective, gender, plural)
            if adjective.side == "after":
                words.append(Form(text, "ADJ", base + 1))
            else:
                if adjective.vowel and gender == "m" and not plural and starts_with_vowel(words[0].text):
                    text = adjective.vowel
                words.insert(0, Form(self.before_noun(text, words[0].text), "ADJ", base + 1))
        following = words[0].text
        if phrase.determiner == "the":
            words = [*self.article(preposition, gender, plural, following, base), *words]
        elif phrase.determiner == "this":
            words = [*lead, Form(self.this(gender, plural, following), "DET", base + 2), *words]
        elif phrase.determiner == "a":
            words = [*lead, Form(self.a(gender, following), "DET", base), *words]
        else:
            words = [*lead, Form(self.numbers[phrase.determiner].m, "NUM", base + 2), *words]
        return words + self.relative(phrase, base)

    def article(self, preposition: str, gender: str, plural: bool, following: str, base: int) -> list[Form]:
        """The definite article, with the preposition before it."""
        raise NotImplementedError

    def this(self, gender: str, plural: bool, following: str) -> str:
        """The demonstrative."""
        raise NotImplementedError

    def a(self, gender: str, following: str) -> str:
        """The indefinite article."""
        raise NotImplementedError

    def agree(self, forms: tuple[str, ...], gender: str, plural: bool) -> str:
        """The form of an adjective (m, f, mp, fp)."""
        return forms[(2 if plural else 0) + (gender == "f")]

    def before_noun(self, text: str, following: str) -> str:
        """The form of an adjective right before its noun (Italian bello)."""
        return text

    def participle(self, text: str, gender: str, plural: bool) -> str:
        """The participle with its ending."""
        raise NotImplementedError

    def clitic(self, phrase: Phrase, base: int, following: str, auxiliary: bool) -> Form:
        """The object pronoun before a verb."""
        raise NotImplementedError

    def negate(self, before: list[Form], finite: Form, base: int) -> list[Form]:
        """The finite verb with the clitic before it and the negation around or before both."""
        raise NotImplementedError

    def verb_group(self, clause: Clause, base: int, subject: Phrase | None) -> list[Form]:
        """Everything from the negation to the participle or infinitive."""
        person = slot(subject) if subject else 1
        if clause.verb == "be":
            finite = Form(self.be[clause.tense][person], "AUX", base + VERB)
            return self.negate([], finite, base) if clause.negated else [finite]
        verb: RomanceVerb = self.verbs[clause.verb]
        last: list[Form] = []
        if clause.modal:
            finite = Form(self.modals[clause.modal][person], self.modal_tag, base + MODAL)
            last = [Form(verb.infinitive, "VERB", base + VERB)]
        elif clause.tense == "past":
            finite = Form(self.auxiliaries[verb.auxiliary][person], "AUX", base + VERB)
            agreeing: Phrase | None = None
            if verb.auxiliary != self.have:
                agreeing = subject
            elif clause.object and clause.object.kind == "it":
                agreeing = clause.object
            text = verb.participle
            if agreeing:
                text = self.participle(text, self.gender(agreeing), is_plural(agreeing))
            last = [Form(text, "VERB", base + VERB)]
        else:
            finite = Form(verb[person], "VERB", base + VERB)
        before: list[Form] = []
        if clause.object and clause.object.kind == "it":
            host = last[0] if clause.modal and self.clitic_on_infinitive else finite
            clitic = self.clitic(clause.object, base + OBJECT, host.text, host.upos == "AUX" and not clause.modal)
            if host is finite:
                before = [clitic]
            else:
                last = [clitic, *last]
        group = self.negate(before, finite, base) if clause.negated else [*before, finite]
        return group + last

    clitic_on_infinitive = False

    def clause(self, clause: Clause, base: int, mode: str, subject: Phrase | None) -> list[Form]:
        """Subject, verb group, object, place, companion, time."""
        time = self.time(clause, base, TIME)
        place: list[Form] = []
        if clause.place:
            preposition, bare = self.place_preposition(clause)
            noun = self.place_phrase(clause)
            place = self.phrase(noun, base + PLACE, preposition)
            if bare:
                place = [Form(preposition, "ADP", base + AT), place[-1]]
        front = time if clause.front == "time" else place if clause.front == "place" else []
        forms = list(front)
        if front and self.front_comma:
            forms.append(COMMA)
        if mode == "relative":
            forms.append(Form(self.who, "PRON", base + LINK))
        elif clause.subject is None:
            if subject is None:
                forms += self.weather(base)
        elif clause.subject.kind == "it":
            forms += self.it(clause.subject, base + VERB)
        else:
            forms += self.phrase(clause.subject, base + SUBJECT)
        forms += self.verb_group(clause, base, subject)
        if clause.predicate and subject:
            text = self.agree(self.adjectives[clause.predicate], self.gender(subject), is_plural(subject))
            forms.append(Form(text, "ADJ", base + PREDICATE))
        if clause.object and clause.object.kind != "it":
            forms += self.phrase(clause.object, base + OBJECT)
        if clause.front != "place":
            forms += place
        if clause.companion:
            forms += self.phrase(clause.companion, base + COMPANION, self.companion)
        if clause.front != "time":
            forms += time
        return forms

    def weather(self, base: int) -> list[Form]:
        """The subject of "it rains"."""
        return []

    def it(self, phrase: Phrase, base: int) -> list[Form]:
        """A subject pronoun for a thing named before."""
        return []


def starts_with_vowel(text: str) -> bool:
    """Whether French elides before the word; no noun of the lexicon has an aspirated h."""
    return text[0].lower() in "aeiouhéèêâàîôœ" and text not in ("onze", "huit")
