#!/usr/bin/env bash
# conllu 6.0.0: of a MISC value with more than one equals sign the rest is lost, and of comments with the same key the
# last one is kept; a treebank that is parsed and written again has less in it. Glosses, links and transliterations have
# such signs. Seen: Gloss=a=b comes back as Gloss=a.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  conllu==6.0.0
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

import conllu

print("conllu", version("conllu"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


text = (
    "# note = first\n# note = second\n"
    "1\tdu\tdu\tPRON\t_\tNumber=Sing\t0\troot\t_\tGloss=2=SG|Ref=http://x.org/?word=du&n=1\n\n"
)
(sentence,) = conllu.parse(text)
expect("MISC", sentence[0]["misc"], {"Gloss": "2", "Ref": "http://x.org/?word"})
expect("comments", dict(sentence.metadata), {"note": "second"})
expect("written again", sentence.serialize() == text, False)
END
