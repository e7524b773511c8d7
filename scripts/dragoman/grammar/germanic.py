"""German and Dutch: verb second, verbs at the end of subordinate clauses, separable verbs, clause-final participles."""

from typing import ClassVar

from dragoman.grammar.language import Language, slot
from dragoman.grammar.meaning import (
    COMPANION,
    LINK,
    MODAL,
    NEGATION,
    OBJECT,
    PREDICATE,
    TIME,
    VERB,
    WITH,
    Clause,
    Phrase,
)
from dragoman.grammar.shapes import GermanicVerb
from dragoman.grammar.tokens import Form


class Germanic(Language):
    """Base of German and Dutch, which share the word order of clauses."""

    auxiliaries: ClassVar[dict] = {}
    modals: ClassVar[dict] = {}
    be: ClassVar[dict] = {}
    finite_last = True  # at the end of a subordinate clause: gelesen hat (German), heeft gelezen (Dutch)
    negation = ("nicht", "PART")
    companion = "mit"
    particle_tags: ClassVar[dict] = {}

    def phrase(self, phrase: Phrase, base: int, case: str) -> list[Form]:
        """A noun phrase in a case ("nom", "acc", "dat")."""
        raise NotImplementedError

    def place(self, clause: Clause, base: int) -> list[Form]:
        """The place with its preposition."""
        raise NotImplementedError

    def relative_pronoun(self, phrase: Phrase) -> str:
        """The pronoun of a relative clause, as its subject."""
        raise NotImplementedError

    def verbs_of(self, clause: Clause, base: int, person: int) -> tuple[Form, list[Form], str]:
        """The finite verb, the verbs at the end of the clause, and the particle that the finite verb has lost."""
        row = (0, 1, 2, 2)[person]
        if clause.verb == "be":
            return Form(self.be[clause.tense][row], "AUX", base + VERB), [], ""
        verb: GermanicVerb = self.verbs[clause.verb]
        if clause.modal:
            last = Form(verb.infinitive, "VERB", base + VERB)
            return Form(self.modals[clause.modal][row], "AUX", base + MODAL), [last], ""
        if clause.tense == "past":
            last = Form(verb.participle, "VERB", base + VERB)
            return Form(self.auxiliaries[verb.auxiliary][row], "AUX", base + VERB), [last], ""
        return Form(verb[row], "VERB", base + VERB), [], verb.particle

    def clause(self, clause: Clause, base: int, mode: str, subject: Phrase | None) -> list[Form]:
        """The clause, with its two positions for verbs: second and last."""
        finite, last, particle = self.verbs_of(clause, base, slot(subject) if subject else 1)
        time = self.time(clause, base, TIME)
        place = self.place(clause, base) if clause.place else []
        front = time if clause.front == "time" else place if clause.front == "place" else []
        first: list[Form] = []
        if mode == "relative" and subject:
            first = [Form(self.relative_pronoun(subject), "PRON", base + LINK)]
        elif clause.subject:
            first = self.phrase(clause.subject, base + self.subject_part(clause.subject), "nom")
        elif subject is None:
            first = [Form(self.weather, "PRON", base + VERB)]
        middle: list[Form] = []
        early = clause.object is not None and clause.object.kind in ("it", "name")  # known objects come early
        if early and clause.object:
            middle += self.phrase(clause.object, base + OBJECT, "acc")
        if clause.front != "time":
            middle += time
        # New information comes late: "im Park einen Hund sehen" but "den Hund im Park sehen".
        new = (
            clause.object is not None
            and clause.object.kind == "noun"
            and clause.object.determiner not in ("the", "this")
        )
        if new and clause.front != "place":
            middle += place
        if clause.object and not early:
            middle += self.phrase(clause.object, base + OBJECT, "acc")
        if clause.negated:
            middle.append(Form(*self.negation, base + NEGATION))
        if clause.companion:
            middle.append(Form(self.companion, "ADP", base + WITH))
            middle += self.phrase(clause.companion, base + COMPANION, "dat")
        if not new and clause.front != "place":
            middle += place
        if clause.predicate:
            middle.append(Form(self.predicative(clause.predicate), "ADJ", base + PREDICATE))
        if mode in ("subordinate", "relative"):
            if particle:
                finite = finite._replace(text=particle + finite.text)
            cluster = [*last, finite] if self.finite_last else [finite, *last]
            return first + middle + cluster
        if particle:
            last = [Form(particle, self.particle_tags.get(particle, "ADP"), base + VERB)]
        if mode == "inverted":
            return [finite, *first, *middle, *last]
        if front:
            return [*front, finite, *first, *middle, *last]
        return [*first, finite, *middle, *last]

    weather = "es"

    def pronoun_gender(self, phrase: Phrase) -> str:
        """Gender of the pronoun for a phrase. For people it is their sex, even if the noun has another gender (das
        Mädchen ... sie, het meisje ... haar)."""
        if phrase.plural:
            return "pl"
        sex = self.noun_sex.get(phrase.head, "-")
        return self.gender(phrase) if sex == "-" else sex

    def predicative(self, adjective: str) -> str:
        """The adjective after "to be"."""
        raise NotImplementedError
