#!/usr/bin/env bash
# rouge 1.0.1 (the package of that name): n-grams are sets unless exclusive=False, so that a word counts once however
# often it is repeated. A summary that runs in circles has the precision of one that does not, where ROUGE clips counts.
# rouge-score 0.1.2 clips. Seen: precision 1.0 and 0.25 for one word four times.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  rouge==1.0.1 rouge-score==0.1.2
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from rouge import Rouge
from rouge_score.rouge_scorer import RougeScorer

print("rouge", version("rouge"), "and rouge-score", version("rouge-score"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


circles, reference = "cat cat cat cat", "the cat sleeps"
expect("rouge, precision of ROUGE-1", round(Rouge().get_scores(circles, reference)[0]["rouge-1"]["p"], 3), 1.0)
expect("rouge, exclusive=False", round(Rouge(exclusive=False).get_scores(circles, reference)[0]["rouge-1"]["p"], 3), 0.25)
expect("rouge-score", round(RougeScorer(["rouge1"]).score(reference, circles)["rouge1"].precision, 3), 0.25)
turned = Rouge().get_scores("they left. he sings a song", "he sings a song. they left")[0]["rouge-l"]["f"]
expect("rouge, ROUGE-L with the sentences in another order", round(turned, 3), 1.0)
END
