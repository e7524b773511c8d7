#!/usr/bin/env bash
# transformers 5.23.0 reads the rule by which a GGUF file cuts text (tokenizer.ggml.pre) for some names, like llama-bpe
# and qwen2, and takes GPT-2's for the others without a word, SmolLM2's among them, whose rule cuts every digit off.
# Numbers are then spelled with tokens that the model has never seen so. Seen: 12345 is 123 4 5 for smollm, and five
# tokens for qwen2.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  transformers==5.23.0 gguf==0.19.0 torch==2.13.0 numpy
"$place/venv/bin/python" - <<'END'
import tempfile
from importlib.metadata import version

import gguf
from transformers import AutoTokenizer

print("transformers", version("transformers"), "and gguf", version("gguf"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


def tokens(rule):
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    pieces = [chr(byte) for byte in printable] + [chr(256 + place) for place in range(len(others))]
    with tempfile.TemporaryDirectory() as folder:
        file = gguf.GGUFWriter(f"{folder}/tiny.gguf", "llama")
        file.add_tokenizer_model("gpt2")
        file.add_tokenizer_pre(rule)
        file.add_token_list([*pieces, "<s>", "</s>", "12", "123"])
        file.add_token_types([1] * 256 + [3, 3, 1, 1])
        file.add_token_merges(["1 2", "12 3"])
        file.add_bos_token_id(256)
        file.add_eos_token_id(257)
        file.write_header_to_file()
        file.write_kv_data_to_file()
        file.write_tensors_to_file()
        file.close()
        return AutoTokenizer.from_pretrained(folder, gguf_file="tiny.gguf").tokenize("12345")


expect("qwen2", tokens("qwen2"), ["1", "2", "3", "4", "5"])
expect("llama-bpe", tokens("llama-bpe"), ["123", "4", "5"])
for rule in ("smollm", "gpt-2", "a-name-of-no-rule"):
    expect(rule, tokens(rule), ["123", "4", "5"])
END
