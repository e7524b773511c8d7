#!/usr/bin/env bash
# ragas 0.4.3's BleuScore divides both texts at ". " and gives the sentences of the reference to sacrebleu as if they were
# several references of one sentence. So only the first sentence of the response is scored, and any sentence of the
# reference is right there. Seen: an answer of which one sentence of two is correct has 0.819, and sacrebleu 2.6.0 gives 39.9;
# if response and reference change places, the score of a pair changes from 0.655 to 0.311.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  ragas==0.4.3 langchain-community==0.3.31 sacrebleu==2.6.0
"$place/venv/bin/python" -W ignore - <<'END'
import asyncio
from importlib.metadata import version

from ragas.metrics.collections import BleuScore
from sacrebleu import sentence_bleu

print("ragas", version("ragas"), "sacrebleu", version("sacrebleu"))
metric = BleuScore()


def expect(response, reference, expected):
    seen = asyncio.run(metric.ascore(response=response, reference=reference)).value
    own = sentence_bleu(response, [reference]).score
    print(f"{response} | {reference} | ragas {seen:.3f}, sacrebleu {own:.1f}")
    assert (round(seen, 3), round(own, 1)) == expected, f"this has changed: {expected} was seen before"


two, one = "The cat sat on the mat. It was a grey cat.", "The cat sat on the mat and it was a grey cat."
expect("It was a grey cat. Prices rose again in May.", two, (0.819, 39.9))
expect(one, two, (0.655, 67.0))
expect(two, one, (0.311, 67.0))
END
