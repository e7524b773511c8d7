#!/usr/bin/env bash
# peft 0.21.2 on a model with tied embeddings: modules_to_save=["embed_tokens"] trains a copy of the input embeddings,
# and the output layer keeps the old ones; the merged model has both, and is larger by a vocabulary. New tokens of a
# translation model can then be read and never be written. ensure_weight_tying=True trains both as one. Seen: input and
# output embeddings differ after one step.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  peft==0.21.2 transformers==5.23.0 torch==2.13.0 numpy
"$place/venv/bin/python" - <<'END'
import warnings
from importlib.metadata import version

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

warnings.simplefilter("ignore")
print("peft", version("peft"), "and transformers", version("transformers"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


def trained(**options):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    base = LlamaForCausalLM(LlamaConfig(vocab_size=60, num_key_value_heads=2, tie_word_embeddings=True, **sizes))
    options |= {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]}
    model = get_peft_model(base, LoraConfig(r=2, task_type="CAUSAL_LM", **options))
    optimizer = torch.optim.SGD([each for each in model.parameters() if each.requires_grad], lr=1.0)
    ids = torch.arange(3, 13)[None]
    model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    merged = model.merge_and_unload()
    same = torch.equal(merged.get_input_embeddings().weight, merged.get_output_embeddings().weight)
    return same, merged.config.tie_word_embeddings


expect("input and output equal, and said to be tied", trained(), (False, False))
expect("the same with ensure_weight_tying", trained(ensure_weight_tying=True), (True, True))
END
