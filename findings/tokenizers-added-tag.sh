#!/usr/bin/env bash
# tokenizers 0.23.3: a token added by add_tokens is normalised, so that in a LLaMA 2 tokenizer, whose normaliser writes
# the sign for a blank before a text, the tag <en> is stored with that sign. It is found after a blank, which it takes
# with it, and at the beginning; after a letter or a line break it is spelled with bytes, as if it did not exist.
# add_special_tokens does not normalise. Seen: six tokens instead of one for a tag after a line break.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  tokenizers==0.23.3
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from tokenizers import Tokenizer, models, normalizers

print("tokenizers", version("tokenizers"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


def llama():
    pieces = [*(f"<0x{byte:02X}>" for byte in range(256)), "<unk>", "▁", *"aben"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    built = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    built.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return built


plain, special = llama(), llama()
plain.add_tokens(["<en>"])
special.add_special_tokens(["<en>"])
expect("at the beginning", plain.encode("<en>a").tokens, ["▁<en>", "a"])
expect("after a blank", plain.encode("a <en>").tokens, ["▁", "a", "▁<en>"])
expect("after a line break", plain.encode("a\n<en>").tokens, ["▁", "a", "<0x0A>", "<0x3C>", "e", "n", "<0x3E>"])
expect("added as special", special.encode("a\n<en>").tokens, ["▁", "a", "<0x0A>", "<en>"])
END
