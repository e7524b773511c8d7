#!/usr/bin/env bash
# lingua-language-detector 2.1.1: where a line holds two scripts, words are counted by script, and the script of most
# words decides with a confidence of 1.0. Without one blank a Japanese sentence is English, and a Russian sentence
# with two names of programs is English. Translations of software and news hold such names. Seen: ENGLISH 1.0 for a
# Japanese and a Russian sentence, JAPANESE 1.0 for the former with a blank after the name.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  lingua-language-detector==2.1.1
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from lingua import Language, LanguageDetectorBuilder

print("lingua-language-detector", version("lingua-language-detector"), "choosing among English, Japanese, Chinese, Russian")


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"

candidates = (Language.ENGLISH, Language.JAPANESE, Language.CHINESE, Language.RUSSIAN)
detector = LanguageDetectorBuilder.from_languages(*candidates).build()
for line, language in (
    ("Google Chrome をダウンロード", "JAPANESE"),
    ("Google Chromeをダウンロード", "ENGLISH"),
    ("Установите Google Chrome или Mozilla Firefox", "ENGLISH"),
    ("苹果发布了iPhone 15 Pro Max", "CHINESE"),
    ("iPhone 15 Pro Max 发布了", "ENGLISH"),
):
    surest = detector.compute_language_confidence_values(line)[0]
    expect(f"{line!r}", (surest.language.name, surest.value), (language, 1.0))
END
