"""The words of the embedded grammar: reads `config/lexicon/*.tsv` and checks every cell.

A cell holds the inflected forms that the grammar uses, separated by `/`, in the order of the fields of the named tuples
in `shapes`. Words are in tables so that a speaker of a language can check a column without reading code.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from dragoman.grammar.shapes import ADJECTIVE, NOUN, VALUES, VERB, Gendered, Preposition, Words

LANGUAGES: tuple[str, ...] = ("en", "fr", "de", "nl", "it", "ro")
FOLDER = Path(__file__).resolve().parents[3] / "config" / "lexicon"


class LexiconError(ValueError):
    """A table of the lexicon has a mistake; the message names file, line and column, and what to do."""


@dataclass(frozen=True)
class Entry:
    """One row of a table: a concept, the concepts that can go with it, and its forms in each language."""

    concept: str
    facts: dict[str, str]
    """Column -> cell, for columns about the concept."""
    forms: dict[str, Any]
    """Language -> forms, as a named tuple of `shapes`."""
    lists: dict[str, tuple[str, ...]]
    """Column -> words of the cell, for columns about the concept."""
    line: int
    """Line in the file, for messages."""

    def tags(self, column: str) -> tuple[str, ...]:
        """The comma-separated words of a column about the concept."""
        return self.lists[column]


# Table -> (columns about the concept, language -> shape of its cell).
TABLES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "nouns": (("classes", "sex"), NOUN),
    "verbs": (("frame", "subjects", "objects", "places", "tenses", "then", "reasons"), VERB),
    "adjectives": (("classes", "predicative"), ADJECTIVE),
    "times": (("tenses",), dict.fromkeys(LANGUAGES, Words)),
    "places": (("noun", "motion"), dict.fromkeys(LANGUAGES, Preposition)),
    "numbers": ((), dict.fromkeys(LANGUAGES, Gendered)),
    "names": (("sex",), {}),
}
FACTS = {
    "sex": ("m", "f", "-"),
    "motion": ("yes", "no"),
    "predicative": ("yes", "no", "now"),
    "frame": ("intransitive", "transitive", "motion", "weather", "saying"),
}


def _cell(text: str, shape: Any, language: str, where: str) -> Any:
    """The forms in a cell, as a named tuple of `shapes`.

    Raises:
        LexiconError: the cell has too few or too many forms, or an unknown value.
    """
    parts = text.split("/")
    fields = shape._fields
    if shape is Words:
        pairs = tuple(tuple(pair.rsplit(":", 1)) for pair in text.split())
        if not pairs or any(len(pair) != 2 or not pair[0] or not pair[1].isupper() for pair in pairs):
            raise LexiconError(f"{where}: cannot read {text!r}; write word:UPOS pairs, as in 'every:DET day:NOUN'")
        return Words(pairs)
    needed = len(fields) - len(shape._field_defaults)
    if not needed <= len(parts) <= len(fields) or not all(part.strip() for part in parts):
        wanted = "/".join(fields[:needed]) + "".join(f"[/{field}]" for field in fields[needed:])
        raise LexiconError(f"{where}: cannot read {text!r}; write the forms as {wanted}")
    for field, part in zip(fields, parts, strict=False):
        allowed = VALUES.get((field, language))
        if allowed and part not in allowed:
            raise LexiconError(f"{where}: {field} {part!r} is unknown; use one of {', '.join(allowed)}")
    return shape(*parts)


def read_table(name: str, folder: Path = FOLDER) -> dict[str, Entry]:
    """Concept -> entry, in the order of the table's rows; the first rows are the most frequent concepts.

    Raises:
        LexiconError: the table is missing or has a mistake.
    """
    facts, shapes = TABLES[name]
    header = ["concept", *facts, *shapes]
    path = folder / f"{name}.tsv"
    if not path.is_file():
        raise LexiconError(f"{path}: no such table; restore it from the repository")
    entries: dict[str, Entry] = {}
    seen_header = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = line.split("\t")
        if not seen_header:
            if cells != header:
                raise LexiconError(f"{path}, line {number}: the header must be (tab-separated) {' '.join(header)}")
            seen_header = True
            continue
        if len(cells) != len(header):
            column = header[min(len(cells), len(header) - 1)]
            raise LexiconError(
                f"{path}, line {number}, column {column}: {len(cells)} cells, expected {len(header)}; "
                "separate the cells by single tabs and leave none out"
            )
        row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        concept = row["concept"]
        if not concept or concept in entries:
            raise LexiconError(f"{path}, line {number}, column concept: {concept!r} is empty or used before; rename it")
        for column in facts:
            if column in FACTS and row[column] not in FACTS[column]:
                raise LexiconError(
                    f"{path}, line {number}, column {column}: {row[column]!r} is unknown; "
                    f"use one of {', '.join(FACTS[column])}"
                )
        forms = {
            language: _cell(row[language], shape, language, f"{path}, line {number}, column {language}")
            for language, shape in shapes.items()
        }
        values = {column: row[column] for column in facts}
        lists = {column: tuple(re.findall(r"[^\s,-][^\s,]*", value)) for column, value in values.items()}
        entries[concept] = Entry(concept, values, forms, lists, number)
    if not entries:
        raise LexiconError(f"{path}, line 1: the table has no rows; restore it from the repository")
    return entries


class Lexicon(NamedTuple):
    """All tables."""

    nouns: dict[str, Entry]
    verbs: dict[str, Entry]
    adjectives: dict[str, Entry]
    times: dict[str, Entry]
    places: dict[str, Entry]
    numbers: dict[str, Entry]
    names: dict[str, Entry]


@cache
def load(folder: Path = FOLDER) -> Lexicon:
    """All tables, which are read and checked once per folder.

    Raises:
        LexiconError: a table has a mistake, or names a concept that another table lacks.
    """
    lexicon = Lexicon(**{name: read_table(name, folder) for name in Lexicon._fields})
    # Concepts that a table names must exist in the other table; else sentences with them would silently be missing.
    for table, column, target in (
        ("places", "noun", lexicon.nouns),
        ("verbs", "then", lexicon.verbs),
        ("verbs", "reasons", lexicon.adjectives),
    ):
        for entry in getattr(lexicon, table).values():
            for name in entry.tags(column):
                if name not in target:
                    other = next(key for key, value in lexicon._asdict().items() if value is target)
                    raise LexiconError(
                        f"{folder / table}.tsv, line {entry.line}, column {column}: {name!r} is not in {other}.tsv; "
                        "correct it or add a row there"
                    )
    return lexicon
