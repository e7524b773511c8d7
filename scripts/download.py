#!/usr/bin/env python3
"""Download the raw files of one pair of a corpus. Continues where an earlier attempt stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dragoman import command, corpora, registry
from dragoman.configfile import load_config


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = command.parser(
        __doc__ or "",
        "python scripts/download.py --config config/config.yaml --corpus iwslt17 --pair en-fr --out downloads/en-fr",
    )
    command.add_config(parser)
    parser.add_argument("--corpus", required=True, help="a name under `corpora:`")
    parser.add_argument("--pair", required=True, help="source and target language, like en-fr")
    parser.add_argument(
        "--out", required=True, type=Path, help="folder for the raw files; its manifest is written last"
    )
    arguments = parser.parse_args(argv)
    known = load_config(arguments.config).corpora
    if arguments.corpus not in known:
        raise corpora.CorpusError(registry.unknown("corpus", arguments.corpus, known))
    corpora.fetch(known[arguments.corpus], arguments.pair, arguments.out)


if __name__ == "__main__":
    command.run(main)
