#!/usr/bin/env bash
# OpenCC 1.4.2: s2t writes the forms of OpenCC's own standard and not those of Taiwan (s2tw, s2twp): bread, eat and
# inside have other characters, and a text of Taiwan that is converted to simplified characters and back has changed.
# References of zh_TW are then missed by every such word. Seen: two characters of four are others.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  OpenCC==1.4.2
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from opencc import OpenCC

print("OpenCC", version("OpenCC"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


convert = {name: OpenCC(name).convert for name in ("s2t", "s2tw", "s2twp", "t2s")}
for simplified, standard, taiwan in (("面包", "麪包", "麵包"), ("吃饭", "喫飯", "吃飯"), ("这里", "這裏", "這裡")):
    expect(f"{simplified} by s2t", convert["s2t"](simplified), standard)
    expect(f"{simplified} by s2tw", convert["s2tw"](simplified), taiwan)
expect("a text of Taiwan, there and back by t2s and s2t", convert["s2t"](convert["t2s"]("臺灣的麵包")), "臺灣的麪包")
expect("software by s2tw and s2twp", (convert["s2tw"]("软件"), convert["s2twp"]("软件")), ("軟件", "軟體"))
END
