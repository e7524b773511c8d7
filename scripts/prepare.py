#!/usr/bin/env python3
"""Read, check and write the parallel text of one pair of a corpus: parquet files, a list of dropped lines, a
manifest."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from dragoman import command, corpora, registry
from dragoman.configfile import load_config

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = command.parser(
        __doc__ or "",
        "python scripts/prepare.py --config config/config.yaml --corpus demo --pair en-fr "
        "--downloads downloads/en-fr --out corpora/en-fr",
    )
    command.add_config(parser)
    parser.add_argument("--corpus", required=True, help="a name under `corpora:`")
    parser.add_argument("--pair", required=True, help="source and target language, like en-fr")
    parser.add_argument(
        "--downloads",
        required=True,
        type=Path,
        help="folder written by scripts/download.py, if the corpus needs a network; for a pivot corpus, checked pairs",
    )
    parser.add_argument(
        "--out", required=True, type=Path, help="folder for the checked text; its manifest is written last"
    )
    arguments = parser.parse_args(argv)
    known = load_config(arguments.config).corpora
    if arguments.corpus not in known:
        raise corpora.CorpusError(registry.unknown("corpus", arguments.corpus, known))
    manifest = corpora.prepare(known[arguments.corpus], arguments.pair, arguments.downloads, arguments.out)
    for split, counts in manifest["splits"].items():
        log.info("%s: %d of %d rows kept", split, counts["rows_kept"], counts["rows_in"])
    if "warning" in manifest:
        log.warning("warning: %s", manifest["warning"])


if __name__ == "__main__":
    command.run(main)
