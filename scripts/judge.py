#!/usr/bin/env python3
"""Compare a system's answers to instructions with another system's, judged by `alpaca_eval` in both orders."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dragoman import command
from dragoman.configfile import load_config
from dragoman.plan import AnswerRun, Plan
from dragoman.results import judging, records
from dragoman.storage import sha256


def judge(run: AnswerRun) -> None:
    """Write three records: the shares of wins, ties and losses; without values if there is no judge."""
    asked, rival = run.instructed, run.rival
    own, other = run.answers, rival.answers
    place = {"paper": run.experiment_config.paper, "experiment": run.experiment, "system": run.system}
    place |= {"pair": "all", "setting": "", "seed": run.seed}
    made_from = {"answers": sha256(own), "rival": sha256(other)}
    count = len(json.loads(own.read_text(encoding="utf-8")))
    if reason := judging.obstacle(asked.judge):
        judged = judging.unjudged(place, count, reason, made_from)
    else:
        work = run.judgements.with_suffix("")
        verdicts = judging.verdicts(judging.preferences(own, other, str(asked.judge), work))
        signature = f"AlpacaEval|judge:{asked.judge}|against:{rival.system}"
        judged = judging.records(place, verdicts, count, signature, made_from)
    records.write(run.judgements, judged)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    example = "python scripts/judge.py --config config/smoke.yaml --experiment langaware --system ours"
    parser = command.parser(__doc__ or "", example)
    command.add_run(parser, "experiment", "system")
    arguments = parser.parse_args(argv)
    plan = Plan(load_config(arguments.config))
    judge(plan.answer_run(arguments.experiment, arguments.system, arguments.seed))


if __name__ == "__main__":
    command.run(main)
