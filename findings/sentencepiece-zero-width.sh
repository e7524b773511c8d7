#!/usr/bin/env bash
# sentencepiece 0.2.1: the default normalisation (nmt_nfkc) makes a blank of the zero-width non-joiner (U+200C), of the
# zero-width space and of the left-to-right mark, and leaves the zero-width joiner as it is. Persian writes U+200C
# inside most verbs: a model never sees it, cannot write it, and has one word more than its reference. Seen: "I want"
# comes back as two words.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  sentencepiece==0.2.1
"$place/venv/bin/python" - <<'END'
import io
from importlib.metadata import version

import sentencepiece

print("sentencepiece", version("sentencepiece"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


persian, want = "من می\u200cخواهم به خانه بروم", "می\u200cخواهم"
written = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter([persian, "x y z \u200d \u00ad"] * 50),
    model_writer=written,
    vocab_size=60,
    hard_vocab_limit=False,
    character_coverage=1.0,
    minloglevel=2,
)
model = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
expect("a Persian word", model.decode(model.encode(want)), want.replace("\u200c", " "))
expect("  its number of words", len(model.decode(model.encode(want)).split()), 2)
for name, sign, comes_back in (
    ("zero-width space", "\u200b", " "),
    ("left-to-right mark", "\u200e", " "),
    ("zero-width joiner", "\u200d", "\u200d"),
    ("soft hyphen", "\u00ad", "\u00ad"),
):
    expect(name, model.decode(model.encode(f"x{sign}y")), f"x{comes_back}y")
END
