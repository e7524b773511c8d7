#!/usr/bin/env bash
# transformers 5.23.0: in models whose heads share keys (Llama 3, Qwen3, Gemma 3), SDPA gets the queries of a single token
# as [rows, key heads, heads per key head, width], and of several tokens as [rows, heads, tokens, width]. Code that takes
# attention weights from a wrapped scaled_dot_product_attention, since SDPA returns none, reads the last head of each
# group as the last token, and only while tokens are written one by one. Seen: one head of four, with no error.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  transformers==5.23.0 torch==2.13.0 numpy
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

print("transformers", version("transformers"), "and torch", version("torch").split("+")[0])


class Shapes(TorchFunctionMode):
    def __torch_function__(self, function, types, given=(), options=None):
        if function is functional.scaled_dot_product_attention:
            self.queries, self.keys = tuple(given[0].shape), tuple(given[1].shape)
        return function(*given, **(options or {}))


def shapes(key_heads, tokens):
    """Shapes of queries and keys when `tokens` tokens follow five cached ones, for two rows."""
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(**sizes, num_key_value_heads=key_heads, vocab_size=50)).eval()
    ids, cache = torch.zeros(2, 5 + tokens, dtype=torch.long), DynamicCache()
    mask = torch.ones(5 + tokens, 5 + tokens, dtype=torch.bool).tril()[None, None].expand(2, 1, -1, -1)
    with torch.no_grad(), Shapes() as seen:
        model(ids[:, :5], attention_mask=mask[:, :, :5, :5], past_key_values=cache)
        model(ids[:, 5:], attention_mask=mask[:, :, 5:], past_key_values=cache)
    return seen.queries, seen.keys


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


expect("4 heads with 4 key heads, 1 token", shapes(4, 1), ((2, 4, 1, 8), (2, 4, 6, 8)))
expect("4 heads with 1 key head, 2 tokens", shapes(1, 2), ((2, 4, 2, 8), (2, 4, 7, 8)))
expect("4 heads with 1 key head, 1 token", shapes(1, 1), ((2, 1, 4, 8), (2, 1, 6, 8)))
END
