#!/usr/bin/env bash
# ctranslate2 4.8.5, with transformers 5.23.0, on a CPU: the scaling `llama3` of rotary positions, which Llama 3.1, 3.2 and
# 3.3 have, is converted with no error or warning and then not applied: log-probabilities are those of the model without
# scaling. Models with linear or no scaling are right. Seen with Llama 3.2's own values (factor 32, 8,192 positions) and
# random weights: differences of up to 5 in 400 log-probabilities, below 0.001 against the model without scaling.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  ctranslate2==4.8.5 transformers==5.23.0 torch==2.13.0
cat > "$place/compare.py" <<'END'
import sys
from importlib.metadata import version

import ctranslate2
import torch
from ctranslate2.converters import TransformersConverter
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

print("ctranslate2", version("ctranslate2"), "and transformers", version("transformers"))
words = ["<unk>", "<s>", "</s>", *(f"w{number}" for number in range(97))]
vocabulary = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
tokenizer = PreTrainedTokenizerFast(tokenizer_object=vocabulary, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
ids = torch.randint(5, 99, (1, 400), generator=torch.Generator().manual_seed(1))
sizes = {"vocab_size": 100, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4}
sizes |= {"num_attention_heads": 4, "num_key_value_heads": 4, "initializer_range": 0.3, "max_position_embeddings": 131072}
NONE = {"rope_type": "default", "rope_theta": 500000.0}
LINEAR = NONE | {"rope_type": "linear", "factor": 4.0}
LLAMA3 = NONE | {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LLAMA3 |= {"original_max_position_embeddings": 8192}


def model(scaling):
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**sizes, rope_parameters=scaling)).eval()


def by_transformers(scaling):
    with torch.no_grad():
        log_probabilities = torch.log_softmax(model(scaling)(ids).logits[0], -1)
    return log_probabilities[:-1].gather(1, ids[0, 1:, None])[:, 0]


def by_ctranslate2(scaling):
    folder = sys.argv[1]
    model(scaling).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    TransformersConverter(folder).convert(folder + "-converted", force=True)
    generator = ctranslate2.Generator(folder + "-converted")
    return torch.tensor(generator.score_batch([[words[number] for number in ids[0].tolist()]])[0].log_probs)


def same(one, other):
    return bool((one - other).abs().max() < 0.001)


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


expect("no scaling: the same as transformers", same(by_ctranslate2(NONE), by_transformers(NONE)), True)
expect("linear: the same as transformers", same(by_ctranslate2(LINEAR), by_transformers(LINEAR)), True)
converted = by_ctranslate2(LLAMA3)
expect("llama3: the same as transformers", same(converted, by_transformers(LLAMA3)), False)
expect("llama3: the same as transformers without scaling", same(converted, by_transformers(NONE)), True)
END
"$place/venv/bin/python" "$place/compare.py" "$place/model" 2> "$place/log" || { cat "$place/log"; exit 1; }
