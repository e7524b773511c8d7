#!/usr/bin/env bash
# tokenizers 0.23.3: the ByteFallback decoder, of LLaMA 2, Mistral and Gemma, replaces a whole run of byte tokens where
# the run is no UTF-8. So one token that begins a character takes the complete characters of bytes before it away, until
# the character is complete. Text that is shown while it is generated, or cut at a number of tokens, loses them. Byte-
# level BPE (GPT-2, LLaMA 3) loses the last character only. Seen: six replacement signs for an emoji and half another.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  tokenizers==0.23.3
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

from tokenizers import decoders

print("tokenizers", version("tokenizers"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


fallback, level = decoders.ByteFallback(), decoders.ByteLevel()
bytes_of = {"emoji": "😀".encode(), "Chinese": "世".encode()}
for name, whole in bytes_of.items():
    tokens = [f"<0x{byte:02X}>" for byte in whole]
    expect(f"{name}", fallback.decode(tokens), whole.decode())
    expect(f"{name}, and two bytes of another", fallback.decode(tokens + tokens[:2]), "\ufffd" * (len(whole) + 2))
    expect(f"{name}, and both", fallback.decode(tokens + tokens), whole.decode() * 2)
expect("byte-level, Chinese and two bytes of another", level.decode(["ä¸ĸ", "ä¸"]), "世\ufffd")
END
