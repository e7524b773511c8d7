#!/usr/bin/env bash
# langcodes 3.5.1: standardize_tag leaves the codes of FLORES, NLLB and Universal Dependencies for Arabic, Chinese,
# Swahili, Latvian and Malay as they are (arb, cmn, swh, lvs, zsm) unless macro=True, though it makes zh of zh-cmn; so
# they equal neither ar nor zh. Tagalog (tl) becomes Filipino (fil). Seen: cmn and zho are two languages.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  langcodes==3.5.1
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

import langcodes

print("langcodes", version("langcodes"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


for code, plain, macro in (
    ("arb", "arb", "ar"),
    ("cmn", "cmn", "zh"),
    ("zho", "zh", "zh"),
    ("zh-cmn", "zh", "zh"),
    ("swh", "swh", "sw"),
    ("lvs", "lvs", "lv"),
    ("tl", "fil", "fil"),
):
    expect(code, langcodes.standardize_tag(code), plain)
    expect(f"{code} with macro=True", langcodes.standardize_tag(code, macro=True), macro)
END
