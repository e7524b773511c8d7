"""English: do-support, a/an, third person -s, particles before nouns but after pronouns (turns it off).

"Along" comes after nouns too: brings the cake along.
"""

from typing import ClassVar

from dragoman.grammar.language import COMMA, Language, slot
from dragoman.grammar.meaning import (
    AT,
    COMPANION,
    LINK,
    MODAL,
    NEGATION,
    OBJECT,
    PLACE,
    PREDICATE,
    TIME,
    VERB,
    WITH,
    Clause,
    Phrase,
)
from dragoman.grammar.shapes import EnglishVerb
from dragoman.grammar.tokens import Form

SUBJECT_PRONOUNS = {"i": "I", "we": "we", "he": "he", "she": "she", "they": "they"}
BE = {"present": ("am", "is", "are", "are"), "past": ("was", "was", "were", "were")}


class English(Language):
    """English realiser."""

    code = "en"
    links: ClassVar[dict] = {
        "and": (("and", "CCONJ"),),
        "but": (("but", "CCONJ"),),
        "because": (("because", "SCONJ"),),
        "when": (("when", "SCONJ"),),
        "that": (("that", "SCONJ"),),
    }

    def phrase(self, phrase: Phrase, base: int, obliquely: bool = False) -> list[Form]:
        """A noun phrase; `obliquely` chooses him, her, them."""
        if phrase.kind == "name":
            return [Form(phrase.head, "PROPN", base)]
        if phrase.kind == "pronoun":
            return [Form(SUBJECT_PRONOUNS[phrase.head], "PRON", base)]
        if phrase.kind == "it":
            return [Form(self.it(phrase, obliquely), "PRON", base)]
        noun = self.nouns[phrase.head]
        words = [Form(noun.pl if phrase.plural else noun.sg, "NOUN", base)]
        if phrase.adjective:
            words.insert(0, Form(self.adjectives[phrase.adjective].stem, "ADJ", base + 1))
        if phrase.determiner == "the":
            words.insert(0, Form("the", "DET", base))
        elif phrase.determiner == "this":
            words.insert(0, Form("these" if phrase.plural else "this", "DET", base + 2))
        elif phrase.determiner == "a":
            words.insert(0, Form("an" if words[0].text[0] in "aeiou" else "a", "DET", base))
        else:
            words.insert(0, Form(self.numbers[phrase.determiner].m, "NUM", base + 2))
        return words + self.relative(phrase, base)

    def it(self, phrase: Phrase, obliquely: bool) -> str:
        """The pronoun for something named before."""
        if phrase.plural:
            return "them" if obliquely else "they"
        sex = self.sex.get(phrase.head) or self.noun_sex[phrase.head]
        return {"m": ("he", "him"), "f": ("she", "her"), "-": ("it", "it")}[sex][obliquely]

    def verb_group(self, clause: Clause, base: int, person: int) -> list[Form]:
        """Everything from the finite verb to the main verb."""
        negation = [Form("not", "PART", base + NEGATION)] if clause.negated else []
        if clause.verb == "be":
            return [Form(BE[clause.tense][person], "AUX", base + VERB), *negation]
        verb: EnglishVerb = self.verbs[clause.verb]
        main = Form(verb.base, "VERB", base + VERB)
        support = "did" if clause.tense == "past" else "does" if person == 1 else "do"
        if clause.modal == "want":
            infinitive = [Form("to", "PART", base + VERB), main]
            if negation:
                return [
                    Form(support, "AUX", base + MODAL),
                    *negation,
                    Form("want", "VERB", base + MODAL),
                    *infinitive,
                ]
            return [Form("wants" if person == 1 else "want", "VERB", base + MODAL), *infinitive]
        if clause.modal:
            negation = [form._replace(text="_not") for form in negation]  # cannot
            return [Form(clause.modal, "AUX", base + MODAL), *negation, main]
        if negation:
            return [Form(support, "AUX", base + VERB), *negation, main]
        form = verb.past if clause.tense == "past" else verb.third if person == 1 else verb.base
        return [main._replace(text=form)]

    def clause(self, clause: Clause, base: int, mode: str, subject: Phrase | None) -> list[Form]:
        """Subject, verb, object, place, companion, time; English order never changes."""
        time = self.time(clause, base, TIME)
        place: list[Form] = []
        if clause.place:
            preposition, bare = self.place_preposition(clause)
            noun = self.phrase(self.place_phrase(clause), base + PLACE)
            place = [Form(preposition, "ADP", base + AT), *noun[bare:]]
        front = time if clause.front == "time" else place if clause.front == "place" else []
        forms = [*front, COMMA] if front else []
        if mode == "relative":
            forms.append(Form("who", "PRON", base + LINK))
        elif clause.subject:
            forms += self.phrase(clause.subject, base + self.subject_part(clause.subject))
        elif subject is None:
            forms.append(Form("it", "PRON", base + VERB))
        forms += self.verb_group(clause, base, slot(subject) if subject else 1)
        if clause.predicate:
            forms.append(Form(self.adjectives[clause.predicate].stem, "ADJ", base + PREDICATE))
        particle = [] if clause.verb == "be" else self.particle(clause, base)
        if clause.object is None:
            forms += particle
        elif particle and particle[0].text != "for" and (clause.object.kind == "it" or particle[0].text == "along"):
            forms += self.phrase(clause.object, base + OBJECT, obliquely=True) + particle
        else:
            forms += particle + self.phrase(clause.object, base + OBJECT, obliquely=True)
        if clause.front != "place":
            forms += place
        if clause.companion:
            forms += [Form("with", "ADP", base + WITH), *self.phrase(clause.companion, base + COMPANION)]
        if clause.front != "time":
            forms += time
        return forms

    def particle(self, clause: Clause, base: int) -> list[Form]:
        """The particle of a phrasal verb."""
        particle = self.verbs[clause.verb].particle
        return (
            [Form(particle, "ADV" if particle in ("back", "away", "along") else "ADP", base + VERB)] if particle else []
        )
