#!/usr/bin/env bash
# torch 2.13.0 on a CPU: F.linear of the last positions of a batch, x[:, -k:], with a weight that is not trained, is a
# bmm over the rows of the batch, which reads the whole weight once a row; of a contiguous copy, or with a weight that
# is trained, it is one mm. transformers takes such a slice for logits_to_keep. With LoRA or in decoding, where the
# output layer is frozen and the vocabulary large, it is several times slower. Seen: bmm and mm for equal results.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  torch==2.13.0 numpy
"$place/venv/bin/python" - <<'END'
from importlib.metadata import version

import torch
from torch.nn.functional import linear
from torch.profiler import profile

print("torch", version("torch").split("+")[0])


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


torch.manual_seed(0)
weight, states = torch.randn(5000, 64), torch.randn(8, 40, 64)
kept = states[:, -15:]


def kernels(inputs, matrix):
    with profile() as seen:
        linear(inputs, matrix)
    return sorted({event.name for event in seen.events() if event.name in ("aten::bmm", "aten::mm")})


expect("the last 15 of 40 positions", kernels(kept, weight), ["aten::bmm"])
expect("the last one", kernels(states[:, -1:], weight), ["aten::bmm"])
expect("a contiguous copy", kernels(kept.contiguous(), weight), ["aten::mm"])
expect("a weight that is trained", kernels(kept, weight.clone().requires_grad_()), ["aten::mm"])
expect("equal results", torch.allclose(linear(kept, weight), linear(kept.contiguous(), weight), atol=1e-4), True)
END
