#!/usr/bin/env bash
# transformers 5.23.0: models accept an attention mask [batch, 1, queries, keys] of booleans, True where a query attends to
# a key. With SDPA that is right. With the attention `eager`, the mask is added to the scores: True adds 1, False adds 0,
# so every query attends to all keys, later ones included; no error and no warning. Gemma 2, XGLM, GPT-J and CodeGen
# have only `eager` by default, so with them the same code silently trains on the words to predict. A mask of 0 and the
# smallest number is right everywhere.
# Seen: with booleans, LLaMA's logits are those of the causal pass with SDPA and others with eager; those of Gemma 2,
# XGLM and GPT-J are others; with numbers, all are the causal ones.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  transformers==5.23.0 torch==2.13.0 numpy
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

import torch
from transformers import AutoConfig, AutoModelForCausalLM

print("transformers", version("transformers"), "and torch", version("torch").split("+")[0])
IDS = torch.arange(3, 15)[None]
SEEN = torch.ones(12, 12).tril().bool()[None, None]
ADDED = torch.zeros(SEEN.shape).masked_fill(~SEEN, torch.finfo(torch.float32).min)
SIZES = {
    "llama": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
    "xglm": {"d_model": 32, "num_layers": 2, "attention_heads": 4, "ffn_dim": 64},
    "gptj": {"n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4, "n_positions": 64},
}
SIZES["gemma2"] = SIZES["llama"] | {"num_key_value_heads": 2, "head_dim": 8}


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


@torch.no_grad()
def causal(kind, mask, **options):
    """Whether a pass with this mask is the model's own causal pass."""
    config = AutoConfig.for_model(kind, vocab_size=50, pad_token_id=0, bos_token_id=1, eos_token_id=2, **SIZES[kind])
    model = AutoModelForCausalLM.from_config(config, **options).eval()
    torch.manual_seed(1)
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.normal_(std=0.4)
    if kind == "gemma2":  # a mask for either kind of layer
        mask = {"full_attention": mask, "sliding_attention": mask}
    masked = model(input_ids=IDS, attention_mask=mask, position_ids=torch.arange(12)[None], use_cache=False).logits
    return torch.allclose(masked, model(input_ids=IDS, use_cache=False).logits, atol=1e-4)


expect("llama, sdpa, booleans", causal("llama", SEEN, attn_implementation="sdpa"), True)
expect("llama, eager, booleans", causal("llama", SEEN, attn_implementation="eager"), False)
for kind in ("gemma2", "xglm", "gptj"):
    expect(f"{kind}, booleans", causal(kind, SEEN), False)
    expect(f"{kind}, numbers", causal(kind, ADDED), True)
END
