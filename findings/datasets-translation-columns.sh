#!/usr/bin/env bash
# datasets 5.2.0: JSON Lines whose `translation` has the same languages in every row give a struct column; where one row
# has another language, the column has the type Json, and to_parquet writes it as JSON text. Readers that look for a
# struct of texts find none. Dataset.from_list fills such rows with None. Seen: struct<en, fr>, and
# extension<arrow.json> for one Dutch row more.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  datasets==5.2.0 pandas==3.1.1 pyarrow==26.0.1
"$place/venv/bin/python" - <<'END'
import json
import tempfile
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet as pq
from datasets import Dataset, load_dataset
from datasets.utils.logging import disable_progress_bar

disable_progress_bar()
print("datasets", version("datasets"), "and pyarrow", version("pyarrow"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


alike = [{"translation": {"en": "a", "fr": "b"}}, {"translation": {"en": "c", "fr": "d"}}]
more = [*alike, {"translation": {"en": "e", "nl": "f"}}]
for name, rows, kind in (("alike", alike, "struct<en: string, fr: string>"), ("more", more, "extension<arrow.json>")):
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "a.jsonl"), Path(folder, "a.parquet")
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
        read = load_dataset("json", data_files=str(source), split="train", cache_dir=folder)
        read.to_parquet(str(target))
        expect(f"{name}, its type in parquet", str(pq.read_schema(target).field("translation").type), kind)
        last = pq.read_table(target).to_pylist()[-1]["translation"]
        expect(f"{name}, its last row", last, rows[-1]["translation"] if rows is alike else '{"en":"e","nl":"f"}')
listed = Dataset.from_list(more)[-1]["translation"]
expect("from_list", listed, {"en": "e", "fr": None, "nl": "f"})
END
