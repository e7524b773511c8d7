#!/usr/bin/env bash
# torch 2.13.0's dynamic quantization to int8 (torch.ao.quantization.quantize_dynamic) has one scale for the activations of a
# whole batch; that of torchao 0.18.0 has one per row. So with the first, what a model says about a sentence depends on the
# other sentences of its batch. Seen, on a CPU: the error of a row is 0.019 alone and 0.68 beside a row that is fifty times
# as large; with torchao it is 0.015 in both cases.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  torch==2.13.0 torchao==0.18.0 numpy
"$place/venv/bin/python" - 2> "$place/warnings" <<'END' || { cat "$place/warnings"; exit 1; }
from importlib.metadata import version

import torch
from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

print("torch", version("torch"), "torchao", version("torchao"))
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(64, 64, bias=False))
row, large = torch.randn(1, 64), 50 * torch.randn(1, 64)
exact = model(row)


def errors(quantized):
    """The largest error of the row, alone and in a batch with the large one."""
    batches = row, torch.cat([row, large])
    return [float((quantized(batch)[:1] - exact).detach().abs().max()) for batch in batches]


alone, beside = errors(torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8))
print(f"quantize_dynamic: error {alone:.3f} alone, {beside:.3f} beside a large row")
assert beside > 5 * alone, "this has changed: the error was many times as large"
quantize_(model, Int8DynamicActivationInt8WeightConfig())
alone, beside = errors(model)
print(f"torchao: error {alone:.3f} alone, {beside:.3f} beside a large row")
assert abs(beside - alone) < 1e-6, "this has changed: both were equal"
END
