"""French and Italian: the parts in which they differ from `romance`."""

from typing import ClassVar

from dragoman.grammar.language import is_plural, preposition_part
from dragoman.grammar.meaning import NEGATION, VERB, Phrase
from dragoman.grammar.romance import Romance, starts_with_vowel
from dragoman.grammar.tokens import Form


class French(Romance):
    """French realiser."""

    code = "fr"
    links: ClassVar[dict] = {
        "and": (("et", "CCONJ"),),
        "but": (("mais", "CCONJ"),),
        "because": (("parce", "SCONJ"), ("que", "SCONJ")),
        "when": (("quand", "SCONJ"),),
        "that": (("que", "SCONJ"),),
    }
    auxiliaries: ClassVar[dict] = {"avoir": ("ai", "a", "avons", "ont"), "être": ("suis", "est", "sommes", "sont")}
    modals: ClassVar[dict] = {
        "want": ("veux", "veut", "voulons", "veulent"),
        "can": ("peux", "peut", "pouvons", "peuvent"),
        "must": ("dois", "doit", "devons", "doivent"),
    }
    be: ClassVar[dict] = {"present": ("suis", "est", "sommes", "sont"), "past": ("étais", "était", "étions", "étaient")}
    pronouns: ClassVar[dict] = {"i": "je", "we": "nous", "he": "il", "she": "elle", "they": "ils"}
    front_comma = True
    clitic_on_infinitive = True
    elide = frozenset({"je", "ne", "le", "la", "que", "de"})

    def article(self, preposition: str, gender: str, plural: bool, following: str, base: int) -> list[Form]:
        """Le, la, l', les; au, aux, du, des."""
        text = "les" if plural else "l'" if starts_with_vowel(following) else "la" if gender == "f" else "le"
        melted = {("à", "le"): "au", ("à", "les"): "aux", ("de", "le"): "du", ("de", "les"): "des"}.get(
            (preposition, text)
        )
        if melted:
            return [Form(melted, "ADP", (preposition_part(base), base))]
        article = Form(text, "DET", base)
        return [Form(preposition, "ADP", preposition_part(base)), article] if preposition else [article]

    def this(self, gender: str, plural: bool, following: str) -> str:
        """Ce, cet, cette, ces."""
        if plural:
            return "ces"
        return "cette" if gender == "f" else "cet" if starts_with_vowel(following) else "ce"

    def a(self, gender: str, following: str) -> str:
        """Un, une."""
        return "une" if gender == "f" else "un"

    def participle(self, text: str, gender: str, plural: bool) -> str:
        """Add -e and -s; a final -s needs no other."""
        text += "e" if gender == "f" else ""
        return text + "s" if plural and not text.endswith("s") else text

    def clitic(self, phrase: Phrase, base: int, following: str, auxiliary: bool) -> Form:
        """Le, la, les; `finish` elides."""
        text = "les" if is_plural(phrase) else "la" if self.gender(phrase) == "f" else "le"
        return Form(text, "PRON", base)

    def negate(self, before: list[Form], finite: Form, base: int) -> list[Form]:
        """Ne ... pas."""
        ne, pas = Form("ne", "ADV", base + NEGATION), Form("pas", "ADV", base + NEGATION)
        return [ne, *before, finite, pas]

    def weather(self, base: int) -> list[Form]:
        """Il pleut."""
        return [Form("il", "PRON", base + VERB)]

    def it(self, phrase: Phrase, base: int) -> list[Form]:
        """Il, elle, ils, elles."""
        text = ("elle" if self.gender(phrase) == "f" else "il") + ("s" if phrase.plural else "")
        return [Form(text, "PRON", base)]

    def finish(self, forms: list[Form]) -> list[Form]:
        """Elide je, ne, le, la, que, de before a vowel."""
        for position in range(len(forms) - 1):
            form = forms[position]
            if form.text in self.elide and starts_with_vowel(forms[position + 1].text):
                forms[position] = form._replace(text=form.text[:-1] + "'")
        return forms


class Italian(Romance):
    """Italian realiser."""

    code = "it"
    links: ClassVar[dict] = {
        "and": (("e", "CCONJ"),),
        "but": (("ma", "CCONJ"),),
        "because": (("perché", "SCONJ"),),
        "when": (("quando", "SCONJ"),),
        "that": (("che", "SCONJ"),),
    }
    auxiliaries: ClassVar[dict] = {"avere": ("ho", "ha", "abbiamo", "hanno"), "essere": ("sono", "è", "siamo", "sono")}
    modals: ClassVar[dict] = {
        "want": ("voglio", "vuole", "vogliamo", "vogliono"),
        "can": ("posso", "può", "possiamo", "possono"),
        "must": ("devo", "deve", "dobbiamo", "devono"),
    }
    be: ClassVar[dict] = {"present": ("sono", "è", "siamo", "sono"), "past": ("ero", "era", "eravamo", "erano")}
    pronouns: ClassVar[dict] = {"i": "io", "we": "noi", "he": "lui", "she": "lei", "they": "loro"}
    companion = "con"
    who = "che"
    have = "avere"
    modal_tag = "AUX"
    drops_subject = True
    melting: ClassVar[dict] = {"in": "ne", "a": "a", "da": "da", "di": "de", "su": "su"}

    def article(self, preposition: str, gender: str, plural: bool, following: str, base: int) -> list[Form]:
        """Il, lo, la, l', i, gli, le; nel, allo, sulla, dell' ..."""
        heavy, vowel = impure(following), following[0] in "aeiouhèà"
        if plural:
            text = "le" if gender == "f" else "gli" if heavy or vowel else "i"
        elif vowel:
            text = "l'"
        else:
            text = "la" if gender == "f" else "lo" if heavy else "il"
        stem = self.melting.get(preposition)
        if stem:
            ending = text[1:] if text in ("il", "i") and text != "i" else text
            ending = {"lo": "llo", "la": "lla", "l'": "ll'", "le": "lle"}.get(ending, ending)
            return [Form(stem + ending, "ADP", (preposition_part(base), base))]
        article = Form(text, "DET", base)
        return [Form(preposition, "ADP", preposition_part(base)), article] if preposition else [article]

    def before_noun(self, text: str, following: str) -> str:
        """Bello changes like the article: bel libro, bello specchio, bell'albero, bei libri, begli alberi."""
        if text not in ("bello", "bella", "belli"):
            return text
        heavy, vowel = impure(following), following[0] in "aeiouhè"
        if text == "belli":
            return "begli" if heavy or vowel else "bei"
        if vowel:
            return "bell'"
        return text if text == "bella" or heavy else "bel"

    def this(self, gender: str, plural: bool, following: str) -> str:
        """Questo, questa, questi, queste; quest' before a vowel."""
        if not plural and following[0] in "aeiouhè":
            return "quest'"
        return "quest" + {("m", False): "o", ("f", False): "a", ("m", True): "i", ("f", True): "e"}[gender, plural]

    def a(self, gender: str, following: str) -> str:
        """Un, uno, una, un'."""
        if gender == "f":
            return "un'" if following[0] in "aeiouhè" else "una"
        return "uno" if impure(following) else "un"

    def participle(self, text: str, gender: str, plural: bool) -> str:
        """Change the final -o."""
        return text[:-1] + {("m", False): "o", ("f", False): "a", ("m", True): "i", ("f", True): "e"}[gender, plural]

    def clitic(self, phrase: Phrase, base: int, following: str, auxiliary: bool) -> Form:
        """Lo, la, li, le; l' before the auxiliary."""
        feminine = self.gender(phrase) == "f"
        if is_plural(phrase):
            return Form("le" if feminine else "li", "PRON", base)
        if auxiliary:
            return Form("l'", "PRON", base)
        return Form("la" if feminine else "lo", "PRON", base)

    def negate(self, before: list[Form], finite: Form, base: int) -> list[Form]:
        """Non before clitic and verb."""
        return [Form("non", "ADV", base + NEGATION), *before, finite]


def impure(text: str) -> bool:
    """Whether Italian says "lo" before the word: s with a consonant, z, gn, ps, x, y."""
    return text[0] in "zxy" or text[:2] in ("gn", "ps", "pn") or (text[0] == "s" and text[1:2] not in tuple("aeiouhè"))
