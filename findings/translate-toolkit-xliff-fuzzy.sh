#!/usr/bin/env bash
# translate-toolkit 3.20.4: a target of XLIFF 1.2 without approved="yes" is fuzzy, also with state="final"; the
# attribute is optional. xliff2po marks it so, and pocount counts it as not translated; po2tmx leaves fuzzy units out,
# while po2csv writes them, and obsolete ones, like translations. Each Chinese character is a word for pocount. Seen: 1
# unit of 3 is translated.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  translate-toolkit==3.20.4
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version
from io import BytesIO

from translate.convert.po2csv import po2csv
from translate.storage import po, xliff
from translate.tools.pocount import wordcount

print("translate-toolkit", version("translate-toolkit"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


text = """<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
<file original="a" source-language="en" target-language="de" datatype="plaintext"><body>
<trans-unit id="1"><source>dog</source><target>Hund</target></trans-unit>
<trans-unit id="2"><source>cat</source><target state="final">Katze</target></trans-unit>
<trans-unit id="3" approved="yes"><source>bird</source><target>Vogel</target></trans-unit>
</body></file></xliff>"""
units = xliff.xlifffile(BytesIO(text.encode())).units
expect("translated", [unit.istranslated() for unit in units], [False, False, True])
expect("fuzzy", [unit.isfuzzy() for unit in units], [True, True, False])
messages = b'#, fuzzy\nmsgid "No"\nmsgstr "Doch"\n\n#~ msgid "Old"\n#~ msgstr "Alt"\n'
rows = po2csv().convertstore(po.pofile(BytesIO(messages))).units
expect("po2csv", [row.target for row in rows if row.source in ("No", "Old")], ["Doch", "Alt"])
expect("words of pocount", (wordcount("我今天去学校。"), wordcount("the dog sleeps")), (6, 3))
END
