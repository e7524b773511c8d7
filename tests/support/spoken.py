"""Text of a few languages."""

from __future__ import annotations

ENGLISH, FRENCH, GERMAN, ITALIAN = (
    "The dog sleeps in the garden.",
    "Le chien dort dans le jardin.",
    "Der Hund schläft im Garten.",
    "Il cane dorme nel giardino.",
)
