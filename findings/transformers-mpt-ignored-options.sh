#!/usr/bin/env bash
# transformers 5.23.0: MptConfig accepts attn_config.alibi, alibi_bias_max, qk_ln and prefix_lm, and saves them, but the
# model's code never reads them: it always adds ALiBi with slopes for a maximum of 8, has no layer norms of queries and
# keys, and is causal. A checkpoint that was trained with another maximum, without ALiBi or with these norms gives the
# logits of another model, without a warning. clip_qkv and softmax_scale have an effect.
# Seen: equal logits with each of the four, other logits with the two.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  transformers==5.23.0 torch==2.13.0 numpy
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

import torch
from transformers import MptConfig, MptForCausalLM

print("transformers", version("transformers"), "and torch", version("torch").split("+")[0])


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


@torch.no_grad()
def logits(**options):
    config = MptConfig(vocab_size=50, d_model=32, n_layers=2, n_heads=4, max_seq_len=64, attn_config=options)
    model = MptForCausalLM(config).eval()
    torch.manual_seed(1)
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.normal_(std=0.4)
    return model(torch.arange(1, 13)[None]).logits


usual = logits()
for name, value in {"alibi": False, "alibi_bias_max": 16, "qk_ln": True, "prefix_lm": True}.items():
    expect(f"{name}={value} changes the logits", not torch.equal(logits(**{name: value}), usual), False)
for name, value in {"clip_qkv": 0.5, "softmax_scale": 1.0}.items():
    expect(f"{name}={value} changes the logits", not torch.equal(logits(**{name: value}), usual), True)
END
