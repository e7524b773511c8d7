#!/usr/bin/env bash
# transformers 5.23.0: position_ids that do not rise by one, without an attention mask and with use_cache=False, are
# taken for packed sequences: a token sees nothing before the last jump. With the cache, which is the default, or with
# an attention mask of ones, it sees everything. So the same ids and positions have other logits in training than in
# decoding, where positions jump on purpose (simultaneous translation, gaps for words to come). Seen: the last token
# sees the first with use_cache=True only.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  transformers==5.23.0 torch==2.13.0 numpy
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

import torch
from transformers import LlamaConfig, LlamaForCausalLM

print("transformers", version("transformers"), "and torch", version("torch").split("+")[0])


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


torch.manual_seed(0)
sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
model = LlamaForCausalLM(LlamaConfig(vocab_size=50, num_key_value_heads=4, **sizes)).eval()
ids, other = torch.arange(3, 11)[None], torch.arange(3, 11)[None]
other[0, 0] = 40
straight, jump, back = torch.arange(8)[None], torch.tensor([[0, 1, 2, 3, 10, 11, 12, 13]]), torch.tensor([[0, 1, 2, 3] * 2])


@torch.no_grad()
def sees(**options):
    first, second = (model(input_ids=each, **options).logits[0, -1] for each in (ids, other))
    return not torch.equal(first, second)


expect("positions in a row", sees(position_ids=straight, use_cache=False), True)
for name, positions in (("a jump", jump), ("the same positions twice", back)):
    expect(f"{name}, with the cache", sees(position_ids=positions), True)
    expect(f"{name}, without", sees(position_ids=positions, use_cache=False), False)
    ones = torch.ones_like(ids)
    expect(f"{name}, without, a mask of ones", sees(position_ids=positions, use_cache=False, attention_mask=ones), True)
END
