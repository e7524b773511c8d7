#!/usr/bin/env bash
# sumeval 0.2.2: by default, RougeCalculator leaves out stop words, `not` and `no` among them, in the summary and in the
# reference. A summary that says the opposite then has a ROUGE of 1. rouge-score 0.1.2 keeps all words. For English, both
# leave out letters that are not ASCII, so Russian text has a ROUGE of 0 against itself.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  sumeval==0.2.2 rouge-score==0.1.2 "setuptools<80"
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from rouge_score.rouge_scorer import RougeScorer
from sumeval.metrics.rouge import RougeCalculator

print("sumeval", version("sumeval"), "and rouge-score", version("rouge-score"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


def sumeval(summary, reference, **options):
    return round(RougeCalculator(lang="en", **options).rouge_l(summary, reference), 3)


def rouge_score(summary, reference):
    return round(RougeScorer(["rougeL"]).score(reference, summary)["rougeL"].fmeasure, 3)


for summary, reference, by_default, with_all in (
    ("It is not true.", "It is true.", 1.0, 0.857),
    ("There was no rain.", "There was rain.", 1.0, 0.857),
    ("He did it before the war.", "He did it after the war.", 1.0, 0.833),
):
    expect(f"sumeval, {summary!r} against {reference!r}", sumeval(summary, reference), by_default)
    expect("the same with stopwords=False", sumeval(summary, reference, stopwords=False), with_all)
    expect("rouge-score", rouge_score(summary, reference), with_all)
russian = "Привет, мир"
expect("Russian against itself, sumeval", sumeval(russian, russian), 0)
expect("Russian against itself, rouge-score", rouge_score(russian, russian), 0)
END
