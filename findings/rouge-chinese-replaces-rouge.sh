#!/usr/bin/env bash
# rouge-chinese 1.0.3 also installs a package named `rouge`, over the one of rouge 1.0.1 if both are installed. The same
# `from rouge import Rouge` then gives another ROUGE-L (the longest common subsequence of the whole text, not a union over
# sentences whose repeated words count once), and pip says nothing. Seen: 1.0 becomes 0.5.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check rouge==1.0.1
cat > "$place/score.py" <<'END'
import sys
from importlib.metadata import version

from rouge import Rouge

print("rouge", version("rouge"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


scores = Rouge().get_scores("a b c . d e f .", "d e f . a b c .")[0]
expect("ROUGE-1", round(scores["rouge-1"]["f"], 3), 1.0)
expect(f"ROUGE-L {sys.argv[1]}", round(scores["rouge-l"]["f"], 3), float(sys.argv[2]))
END
"$place/venv/bin/python" "$place/score.py" "with rouge alone" 1.0
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check rouge-chinese==1.0.3
"$place/venv/bin/python" "$place/score.py" "after rouge-chinese 1.0.3 was installed" 0.5
