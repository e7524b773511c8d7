#!/usr/bin/env bash
# ctranslate2 4.8.5: what `max_length` of `generate_batch` counts depends on `include_prompt_in_result`. If it is True, as
# by default, the prompt counts, and a prompt that is longer is cut: the result is its beginning and has no word of the
# model, with no error or warning. If it is False, only new tokens count. A loop over test sentences with a limit of 32
# then "translates" long sources by the first 33 tokens of the prompt.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  ctranslate2==4.8.5 transformers==5.23.0 torch==2.13.0 tokenizers==0.23.3
"$place/venv/bin/python" - "$place/model" <<'END' 2> /dev/null
import sys
from importlib.metadata import version

import ctranslate2
import torch
from ctranslate2.converters import TransformersConverter
from tokenizers import Tokenizer, models
from transformers import FalconConfig, FalconForCausalLM, PreTrainedTokenizerFast

print("ctranslate2", version("ctranslate2"))
folder = sys.argv[1]
words = ["<eos>", *(f"w{number}" for number in range(1, 50))]
vocabulary = {word: number for number, word in enumerate(words)}
tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<eos>"))
PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", bos_token="<eos>").save_pretrained(folder)
torch.manual_seed(0)
sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 50, "alibi": True}
config = FalconConfig(**sizes, new_decoder_architecture=False, parallel_attn=False, bos_token_id=0, eos_token_id=0)
FalconForCausalLM(config).save_pretrained(folder)
TransformersConverter(folder).convert(folder + "-converted")
generator = ctranslate2.Generator(folder + "-converted")


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


def generated(prompt, **options):
    return generator.generate_batch([prompt], max_length=5, min_length=5, beam_size=1, **options)[0].sequences[0]


prompt = words[1:11]
expect("a prompt of 10 tokens, limit 5: beginning of the prompt", generated(prompt), prompt[:6])
new = generated(prompt, include_prompt_in_result=False)
expect("without the prompt in the result: tokens", len(new), 5)
short = generated(prompt[:3])
expect("a prompt of 3 tokens, limit 5: tokens, of which new", (len(short), len(short) - 3), (6, 3))
END
