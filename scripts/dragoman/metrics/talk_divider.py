"""Divides talks by the lines of their references with mweralign, as simulstream 1.0.0 calls it.

Runs for `talks` in OmniSTEval's environment, which has no package of ours. Reads a JSON object with `characters` (is
the target language divided by characters?) and `talks` (lines and translation of each). Prints the parts of each
translation, one for each line of its reference.
"""

import json
import sys

from mweralign import align_texts
from mweralign.segmenter import CJSegmenter


def main() -> None:
    """Divide the talks that standard input names."""
    task = json.load(sys.stdin)

    def cut(text: str) -> str:
        return " ".join(CJSegmenter().encode(text)) if task["characters"] else text

    divided = [align_texts("\n".join(map(cut, lines)), cut(talk)).split("\n") for lines, talk in task["talks"]]
    json.dump(divided, sys.stdout)


if __name__ == "__main__":
    main()
