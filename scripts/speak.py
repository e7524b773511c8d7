#!/usr/bin/env python3
"""Print sentences of the embedded grammar in any of its six languages."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import command
from dragoman.grammar import LANGUAGES, SPLITS, align, meanings, realise


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = command.parser(__doc__ or "", "python scripts/speak.py --count 3 --seed 7 --languages en de --alignments")
    parser.add_argument("--count", type=int, default=5, help="number of sentences per language (default 5)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same sentences (default 1)")
    parser.add_argument("--split", choices=SPLITS, default="train", help="part of the data (default train)")
    parser.add_argument("--languages", nargs="+", choices=LANGUAGES, default=list(LANGUAGES), metavar="CODE")
    parser.add_argument(
        "--alignments", action="store_true", help="show word alignments between the first language and the others"
    )
    arguments = parser.parse_args(argv)
    for meaning in meanings(arguments.seed, arguments.split, arguments.count):
        first = realise(meaning, arguments.languages[0])
        for language in arguments.languages:
            sentence = realise(meaning, language)
            print(f"{language}  {sentence.text}")
            if arguments.alignments and language != arguments.languages[0]:
                print("    " + " ".join(f"{first.words[i]}-{sentence.words[j]}" for i, j in align(first, sentence)))
        print()


if __name__ == "__main__":
    command.run(main)
