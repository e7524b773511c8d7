#!/usr/bin/env bash
# lingua-language-detector 2.1.1: Serbian in Latin letters, which Serbian is written in as well, is never found to be
# Serbian: lingua knows it in Cyrillic letters only. By lingua, translations into Serbian in Latin letters are all
# off-target. Seen: ENGLISH for a sentence in Latin letters where Serbian is the only Slavic candidate, BOSNIAN where
# Croatian and Bosnian are candidates, too; SERBIAN for the sentence in Cyrillic letters.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  lingua-language-detector==2.1.1
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from lingua import Language, LanguageDetectorBuilder

print("lingua-language-detector", version("lingua-language-detector"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"

latin = "Ne znam šta da radim, ali mislim da je dobro."
cyrillic = "Не знам шта да радим, али мислим да је добро."
few = LanguageDetectorBuilder.from_languages(Language.ENGLISH, Language.GERMAN, Language.SERBIAN).build()
near = LanguageDetectorBuilder.from_languages(
    Language.ENGLISH, Language.SERBIAN, Language.CROATIAN, Language.BOSNIAN
).build()
expect("English, German, Serbian; in Cyrillic letters", few.detect_language_of(cyrillic).name, "SERBIAN")
expect("English, German, Serbian; in Latin letters", few.detect_language_of(latin).name, "ENGLISH")
expect("  its confidence in Serbian", few.compute_language_confidence(latin, Language.SERBIAN), 0.0)
expect("English, Serbian, Croatian, Bosnian; in Latin letters", near.detect_language_of(latin).name, "BOSNIAN")
END
