#!/usr/bin/env bash
# transformers 5.23.0 writes the base and scaling of rotary positions only under `rope_parameters`. transformers 4.57.1 and,
# for LLaMA models, mlx-lm 0.32.2 do not read this key: they take a base of 10,000 without scaling, with no error or
# warning. A Llama 3 model (base 500,000) that was fine-tuned and saved with transformers 5 is another model there. Seen:
# the most probable next token differs at 29 of 40 positions.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
install() { "$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
install transformers==5.23.0 torch==2.13.0 numpy mlx-lm==0.32.2 "mlx[cpu]==0.32.4"
cat > "$place/common.py" <<'END'
import logging
import sys
from pathlib import Path

import torch

logging.disable(logging.WARNING)
folder = Path(sys.argv[1])
ids = torch.randint(5, 99, (1, 40), generator=torch.Generator().manual_seed(1))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


def same(logits):
    """The number of positions at which the most probable token is that of the model that was saved."""
    return int((logits.argmax(-1) == torch.load(folder / "logits.pt").argmax(-1)).sum())
END
cat > "$place/five.py" <<'END'
import json

import mlx.core as mx
import mlx_lm
import numpy as np
import transformers
from common import expect, folder, ids, same, torch
from mlx_lm.utils import load_model
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
sizes = {"vocab_size": 100, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4}
sizes |= {"num_attention_heads": 4, "num_key_value_heads": 4, "initializer_range": 0.3}
rope = {"rope_type": "default", "rope_theta": 500000.0}
LlamaForCausalLM(LlamaConfig(**sizes, rope_parameters=rope)).save_pretrained(folder)
saved = LlamaForCausalLM.from_pretrained(folder)
torch.save(saved(ids).logits[0].detach(), folder / "logits.pt")
print("transformers", transformers.__version__, "and mlx-lm", mlx_lm.__version__)
written = json.loads((folder / "config.json").read_text())
expect("keys of config.json", [key for key in written if key.startswith("rope")], ["rope_parameters"])
mx.set_default_device(mx.cpu)
with torch.no_grad():
    model, _ = load_model(folder)
    logits = torch.tensor(np.array(model(mx.array(ids.tolist())))[0])
expect("mlx-lm: positions of 40 with the same most probable token", same(logits), 11)
END
cat > "$place/four.py" <<'END'
import transformers
from common import expect, folder, ids, same
from transformers import AutoModelForCausalLM

print("transformers", transformers.__version__)
model = AutoModelForCausalLM.from_pretrained(folder)
expect("base of its rotary positions", model.config.rope_theta, 10000.0)
expect("positions of 40 with the same most probable token", same(model(ids).logits[0].detach()), 11)
END
"$place/venv/bin/python" "$place/five.py" "$place/model" 2> "$place/log" || { cat "$place/log"; exit 1; }
install transformers==4.57.1 2> "$place/log" # mlx-lm, which needs version 5, is not used any more
"$place/venv/bin/python" "$place/four.py" "$place/model" 2> "$place/log" || { cat "$place/log"; exit 1; }
