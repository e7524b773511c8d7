#!/usr/bin/env python3
"""Rank the attention heads of a simultaneous system by how well they align words, for the policy `alignatt`."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import command, corpora, models
from dragoman.config import SimultaneousDecoder
from dragoman.configfile import load_config
from dragoman.languages.spelling import pairs
from dragoman.languages.units import of_pair
from dragoman.plan import DecodeRun, Plan
from dragoman.policies import links
from dragoman.prompts import shots
from dragoman.reporting.markup import markdown_rows

SHOWN = 12
"""Number of heads in the table."""


def rank(run: DecodeRun, split: str, sentences: int) -> str:
    """A table of the best heads, and the best one as options of the policy."""
    from dragoman.decoding.heads import ranked  # imports torch, which --help does not need

    decoder = run.system_config.decoder
    if not isinstance(decoder, SimultaneousDecoder) or run.model is None:
        raise ValueError(f"the system {run.system!r} does not decode simultaneously, so no policy reads its attention")
    experiment = run.experiment_config
    table = corpora.load(run.test.folder, split)
    rows = [row for row in table.slice(0, sentences).to_pylist() if row["alignment"]]
    if not rows:
        text = "no word alignments; give the corpus `align: true` or a column of alignments, or use --split train"
        raise ValueError(f"{experiment.test.corpus}, {run.pair}, {split}: {text}")
    folder = run.model.folder
    model, tokenizer = models.load(folder).to(models.device()).eval(), models.load_tokenizer(folder)
    texts = ([row[side] for row in rows] for side in ("source", "target"))
    spelled = pairs(shots.asked(run), tokenizer, run.pair, *texts, of_pair(run.pair, experiment.asked))
    aligned = zip(spelled, (links(row["alignment"]) for row in rows), strict=True)
    ranking = ranked(model, aligned, decoder.positions, decoder.origin)
    cells = [
        (str(each.layer), "mean" if each.head is None else str(each.head), f"{100 * each.share:.1f}")
        for each in ranking
    ]
    best = ranking[0]
    heads = "" if best.head is None else f", heads: [{best.head}]"
    title = f"Tokens whose largest attention weight is on an aligned source word, %: {len(rows)} sentences of {split}"
    return f"""{markdown_rows(title, ("Layer", "Head", "Aligned, %"), cells[:SHOWN])}
policy: {{name: alignatt, f: [1, 2, 4], layer: {best.layer}{heads}}}"""


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    example = "python scripts/heads.py --config C.yaml --experiment policies --system wait-k --pair en-fr"
    parser = command.parser(__doc__ or "", example)
    command.add_run(parser, "experiment", "system", "pair")
    parser.add_argument("--split", choices=corpora.SPLITS, default="validation", help="(default: validation)")
    parser.add_argument("--sentences", type=int, default=200, help="number of sentence pairs (default: 200)")
    arguments = parser.parse_args(argv)
    plan = Plan(load_config(arguments.config))
    run = plan.decode_run(arguments.experiment, arguments.system, arguments.pair, arguments.seed)
    print(rank(run, arguments.split, arguments.sentences))


if __name__ == "__main__":
    command.run(main)
