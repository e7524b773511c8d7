#!/usr/bin/env python3
"""Print sentences of the demo world side by side, in any of its six languages."""

import argparse
import sys

from dragoman.grammar import LANGUAGES, SPLITS, align, meanings, realise


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5, help="how many meanings (default 5)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same sentences (default 1)")
    parser.add_argument("--split", choices=SPLITS, default="train", help="part of the data (default train)")
    parser.add_argument("--languages", nargs="+", choices=LANGUAGES, default=list(LANGUAGES), metavar="CODE")
    parser.add_argument(
        "--alignments", action="store_true", help="show which words of the first language stand for which of the others"
    )
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Print the sentences."""
    options = arguments(words)
    try:
        for meaning in meanings(options.seed, options.split, options.count):
            first = realise(meaning, options.languages[0])
            for language in options.languages:
                sentence = realise(meaning, language)
                print(f"{language}  {sentence.text}")
                if options.alignments and language != options.languages[0]:
                    links = align(first, sentence)
                    print("    " + " ".join(f"{first.words[i]}-{sentence.words[j]}" for i, j in links))
            print()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
