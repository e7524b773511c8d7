"""Draws meanings at random. The lexicon says which nouns, verbs, adjectives and places go together."""

from dataclasses import replace

from dragoman.grammar.chooser import Chooser, candidates, size
from dragoman.grammar.language import is_plural
from dragoman.grammar.meaning import Clause, Meaning, Phrase

# (weight, choice) of sentence shapes, of determiners, and of subjects.
SHAPES = (
    (32, "single"),
    (5, "state"),
    (18, "because"),
    (8, "when"),
    (9, "that"),
    (26, "shared"),
    (8, "and"),
    (5, "but"),
)
ANY = ((42, "the"), (26, "a"), (6, "this"), (5, "these"), (8, "plural"), (13, "number"))
DEFINITE = ((60, "the"), (10, "this"), (8, "these"), (22, "plural"))
WHO = ((50, "noun"), (28, "name"), (22, "pronoun"))
MOODS = ((4, "tired"), (3, "happy"), (3, "sick"))
WHEN = ("yes", "now")
DESCRIBED = ("human", "animal", "thing", "place", "fixed", "mass", "text")


class Sampler(Chooser):
    """Draws random meanings that make sense."""

    def noun_phrase(self, noun: str, definite: bool = False) -> Phrase:
        """A noun with determiner and perhaps an adjective. Negated verbs take `definite` objects: not ... the book."""
        if "mass" in self.lexicon.nouns[noun].tags("classes"):
            return Phrase("noun", noun, adjective=self.adjective(noun, 0.45))
        kind = self.weighted(DEFINITE if definite else ANY)
        adjective = self.adjective(noun, 0.52)
        if kind == "number":
            return Phrase("noun", noun, True, self.choose("numbers"), adjective)
        determiner = {"plural": "the", "these": "this"}.get(kind, kind)
        return Phrase("noun", noun, kind in ("plural", "these"), determiner, adjective)

    def subject(self, classes: tuple[str, ...]) -> Phrase:
        """A subject of one of the classes."""
        kind = self.weighted(WHO) if "human" in classes else "noun"
        if kind == "name":
            return Phrase("name", self.choose("names"))
        if kind == "pronoun":
            return Phrase("pronoun", self.weighted(((3, "i"), (3, "we"), (2, "he"), (2, "she"), (2, "they"))))
        return self.noun_phrase(self.choose("nouns", "classes", classes))

    def thing(self, classes: tuple[str, ...], definite: bool) -> Phrase:
        """An object of one of the classes."""
        noun = self.choose("nouns", "classes", classes)
        if self.is_a(noun, "human") and self.chance(0.5):
            return Phrase("name", self.choose("names"))
        return self.noun_phrase(noun, definite)

    def is_a(self, noun: str, kind: str) -> bool:
        """Whether a noun is of a class."""
        return kind in self.lexicon.nouns[noun].tags("classes")

    def relative(self, phrase: Phrase, tense: str, main: str, other: Phrase | None) -> Phrase:
        """Add "who reads the book" to a person: with the tense of the main clause, not its verb or object."""
        if phrase.kind != "noun" or phrase.determiner == "this" or not self.human(phrase):
            return phrase
        verb = self.choose("verbs", "frame", ("transitive",))
        entry = self.lexicon.verbs[verb]
        thing = self.thing(entry.tags("objects"), definite=False)
        if verb == main or tense not in entry.tags("tenses") or self.ambiguous(verb, phrase):
            return phrase
        if thing.head == phrase.head or (other and thing.head == other.head):
            return phrase
        return replace(phrase, relative=Clause(None, verb, tense, object=thing))

    def ambiguous(self, verb: str, subject: Phrase) -> bool:
        """Whether English does not show the tense: they read, I read."""
        english = self.lexicon.verbs[verb].forms["en"]
        return english.base == english.past and (is_plural(subject) or subject.head == "i")

    def action(self, subject: Phrase | None = None, tense: str = "", bare: bool = False) -> Clause:
        """A clause with a full verb; of a given subject and tense if they are given. `bare` leaves out times."""
        while True:
            clause = self.attempt(subject, tense, bare)
            if clause:
                return clause

    def attempt(self, subject: Phrase | None, tense: str, bare: bool) -> Clause | None:
        """A clause, or None if the drawn parts do not fit together."""
        frame = self.weighted(((24, "intransitive"), (58, "transitive"), (18, "motion")))
        verb = self.choose("verbs", "frame", (frame,))
        entry = self.lexicon.verbs[verb]
        if subject and not self.can_do(subject, verb):
            return None
        given = subject is not None
        subject = subject or self.subject(entry.tags("subjects"))
        tenses = entry.tags("tenses")
        tense = tense or self.tense()
        negated = self.chance(0.13)
        modal = ""
        if tense == "present" and self.human(subject) and ("present" not in tenses or self.chance(0.4)):
            modal = self.weighted(((5, "want"), (4, "can"), (0 if negated else 4, "must")))
        if (modal or tense) not in tenses and not (modal and "modal" in tenses):
            return None
        thing = self.thing(entry.tags("objects"), negated) if frame == "transitive" else None
        if thing and thing.head == subject.head:
            return None
        place = place_adjective = ""
        if frame == "motion" or (not negated and self.chance(0.3 if bare else 0.5)):
            place, place_adjective = self.place(verb, frame == "motion")
        companion = self.companion(subject) if frame == "motion" and not negated and self.human(subject) else None
        times = ("modal",) if modal else ("present", "habit") if (tense, negated) == ("present", False) else (tense,)
        time = self.choose("times", "tenses", times) if not bare and self.chance(0.55) else ""
        if not modal and not negated and not time and self.ambiguous(verb, subject):
            return None
        front = "time" if time and self.chance(0.45) else ""
        if not front and not bare and place and frame != "motion" and self.chance(0.2):
            front = "place"
        if not given and self.chance(0.13):
            subject = self.relative(subject, tense, verb, thing)
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

    def place(self, verb: str, motion: bool) -> tuple[str, str]:
        """A place that fits the verb, and perhaps an adjective."""
        nouns, _ = candidates("nouns", "classes", self.lexicon.verbs[verb].tags("places"))
        place = self.choose("places", "noun", nouns)
        while motion and self.lexicon.places[place].facts["motion"] == "no":
            place = self.choose("places", "noun", nouns)
        return (place, self.adjective(self.lexicon.places[place].facts["noun"], 0.25)) if place else ("", "")

    def companion(self, subject: Phrase) -> Phrase | None:
        """Someone who comes along."""
        if self.chance(0.7):
            return None
        if self.chance(0.5):
            name = self.choose("names")
            return Phrase("name", name) if name != subject.head else None
        noun = self.choose("nouns", "classes", ("human", "pet"))
        return Phrase("noun", noun, adjective=self.adjective(noun, 0.25)) if noun != subject.head else None

    def description(self, tense: str, subject: Phrase | None = None, passing: bool = False) -> Clause:
        """A clause like "the house is old"; with `passing`, a temporary state like "the house is empty"."""
        noun = adjective = ""
        while not adjective or self.lexicon.adjectives[adjective].facts["predicative"] not in WHEN[passing:]:
            noun = subject.head if subject else self.choose("nouns", "classes", DESCRIBED)
            adjective = self.choose("adjectives", "classes", self.lexicon.nouns[noun].tags("classes"))
        if subject is None:
            plural = self.chance(0.25) and not self.is_a(noun, "mass")
            subject = Phrase("noun", noun, plural, "this" if self.chance(0.2) else "the")
        return Clause(subject, "be", tense, self.chance(0.2), predicate=adjective)

    def location(self, tense: str) -> Clause:
        """A clause like "the key is on the table"."""
        if self.chance(0.5):
            noun = self.choose("nouns", "classes", ("portable", "pet"))
            subject = replace(self.noun_phrase(noun, definite=True), relative=None)
            nouns, _ = candidates(
                "nouns", "classes", ("surface", "container") if self.is_a(noun, "portable") else ("surface", "outdoors")
            )
        else:
            subject = self.subject(("human",))
            if subject.determiner not in ("the", "this"):
                subject = replace(subject, determiner="the", plural=False)
            nouns, _ = candidates("nouns", "classes", ("outdoors", "building", "room", "public"))
        place = self.choose("places", "noun", nouns)
        if self.lexicon.places[place].facts["noun"] == subject.head:
            return self.location(tense)
        adjective = self.adjective(self.lexicon.places[place].facts["noun"], 0.3)
        return Clause(subject, "be", tense, self.chance(0.15), place=place, place_adjective=adjective)

    def meaning(self) -> Meaning:
        """A whole sentence of moderate length."""
        while True:
            meaning = self.draw()
            if 2 < size(meaning.main) + (1 + size(meaning.second) if meaning.second else 0) < 13:
                return meaning

    def draw(self) -> Meaning:
        """A whole sentence of any length."""
        shape = self.weighted(SHAPES)
        if shape == "state":
            return Meaning(self.state(self.tense()))
        if shape == "when":
            main = self.action(tense="present", bare=True)  # "today, when it rains" and the like would be odd
            second = self.short("present", passing=True)
            again = main.subject and second.subject and main.subject.head == second.subject.head
            return self.draw() if again else Meaning(main, "when", second, self.chance(0.5))
        if shape == "that":
            main = Clause(self.subject(("human",)), self.choose("verbs", "frame", ("saying",)))
            return Meaning(main, "that", self.other(main, self.tense()))
        main = self.action(tense=self.tense())
        if shape == "single":
            return Meaning(main)
        if shape == "shared":
            return self.shared(main)
        if shape == "because":
            return Meaning(main, "because", self.reason(main))
        return Meaning(main, shape, self.other(main, main.tense))

    def tense(self) -> str:
        """Present more often than past."""
        return "past" if self.chance(0.42) else "present"

    def state(self, tense: str, passing: bool = False) -> Clause:
        """How or where something is."""
        return self.description(tense, passing=passing) if self.chance(0.55) else self.location(tense)

    def short(self, tense: str, passing: bool = False) -> Clause:
        """A clause that can be subordinate: no other part is before its subject."""
        kind = self.weighted(((15, "weather"), (35, "state"), (50, "action")))
        if kind == "weather":
            return Clause(None, self.choose("verbs", "frame", ("weather",)), tense)
        return self.state(tense, passing) if kind == "state" else self.action(tense=tense, bare=True)

    def echo(self, phrase: Phrase | None) -> Phrase | None:
        """The pronoun for somebody just named."""
        if phrase is None or phrase.kind == "pronoun":
            return phrase
        facts = (self.lexicon.names if phrase.kind == "name" else self.lexicon.nouns)[phrase.head].facts
        if phrase.plural:  # realisers translate "they" as masculine, so it cannot refer to women
            return None if facts["sex"] == "f" else Phrase("pronoun", "they")
        return {"m": Phrase("pronoun", "he"), "f": Phrase("pronoun", "she")}.get(facts["sex"])

    def other(self, main: Clause, tense: str) -> Clause:
        """A second clause about the same person or about somebody else."""
        same = self.echo(main.subject) if main.subject and self.human(main.subject) and self.chance(0.3) else None
        second = self.action(same, tense, bare=True)
        stray = second.subject and second.subject.kind == "pronoun" and second.subject.head in ("he", "she", "they")
        again = second.verb == main.verb or (not same and (stray or second.subject == main.subject))
        return self.other(main, tense) if again else second

    def reason(self, main: Clause) -> Clause:
        """A reason, after "because": a quality of the object, a state of the same person, the weather, or an action."""
        thing = main.object
        if thing and thing.kind == "noun" and thing.determiner in ("the", "this") and self.chance(0.7):
            classes = set(self.lexicon.nouns[thing.head].tags("classes"))
            wanted = [name for name in self.lexicon.verbs[main.verb].tags("reasons") if self.fits(name, classes)]
            if wanted and not self.human(thing) and not thing.adjective:
                adjective = wanted[int(self.random() * len(wanted))]
                it = Phrase("it", thing.head, thing.plural)
                return Clause(it, "be", main.tense, main.negated, predicate=adjective)
        kind = self.weighted(((30, "mood"), (20, "weather"), (50, "action")))
        person = self.echo(main.subject) if main.subject and self.human(main.subject) else None
        if kind == "mood" and person:
            return Clause(person, "be", main.tense, self.chance(0.15), predicate=self.weighted(MOODS))
        if kind == "weather":
            return Clause(None, self.choose("verbs", "frame", ("weather",)), main.tense)
        clause = self.other(main, main.tense)
        wish = clause.tense == "present" and not clause.modal and not clause.negated and clause.subject is not None
        if wish and self.human(clause.subject) and "modal" in self.lexicon.verbs[clause.verb].tags("tenses"):
            return replace(clause, modal="want")
        return clause

    def fits(self, adjective: str, classes: set[str]) -> bool:
        """Whether an adjective goes with a noun of these classes."""
        return bool(classes & set(self.lexicon.adjectives[adjective].tags("classes")))

    def shared(self, main: Clause) -> Meaning:
        """A sentence with two verbs for one subject, like "Anna buys a book and reads it"."""
        thing = main.object
        if thing is None or main.negated or main.modal or main.place or main.subject is None:
            return self.draw()
        person = thing.kind == "name" or self.human(thing)
        if person and (self.echo(thing) is None or thing.kind == "pronoun"):
            return self.draw()
        classes = {"human"} if thing.kind == "name" else set(self.lexicon.nouns[thing.head].tags("classes"))
        verbs = [
            verb
            for verb in self.lexicon.verbs[main.verb].tags("then")
            if classes & set(self.lexicon.verbs[verb].tags("objects"))
            and main.tense in self.lexicon.verbs[verb].tags("tenses")
            and not self.ambiguous(verb, main.subject)
        ]
        if not verbs:
            return self.draw()
        main = replace(main, front="")  # with an inverted verb, a shared subject is awkward in German and Dutch
        it = Phrase("it", thing.head, thing.plural)
        return Meaning(main, "and", Clause(None, verbs[int(self.random() * len(verbs))], main.tense, object=it))
