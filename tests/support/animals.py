"""Sentences with few words, which a small model learns."""

from __future__ import annotations

NAMES = {"en": "English", "fr": "French", "de": "German"}
COLOURS = {"en": ("red", "blue", "green"), "fr": ("rouge", "bleu", "vert"), "de": ("rot", "blau", "grün")}
ANIMALS = {"en": ("cat", "dog", "bird"), "fr": ("chat", "chien", "oiseau"), "de": ("Katze", "Hund", "Vogel")}
SENTENCES = {
    code: [f"{c} {a} " + "o " * n + "." for n in range(3) for c in COLOURS[code] for a in ANIMALS[code]]
    for code in NAMES
}
