"""Fine-tunes with TRL's SFTTrainer, for `trl_training`, in TRL's own environment, which has no package of ours.

Prints CPU seconds of the training, and peak memory of the process in MB.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM
from trl import SFTConfig, SFTTrainer


def main(path: str) -> None:
    """Train on the rows of a JSON file, and save the model."""
    work = json.loads(Path(path).read_text(encoding="utf-8"))
    torch.set_num_threads(work["threads"])
    with tempfile.TemporaryDirectory() as temporary:
        config = SFTConfig(
            output_dir=temporary,
            max_steps=work["steps"],
            per_device_train_batch_size=work["batch"],
            learning_rate=work["rate"],
            use_cpu=not torch.cuda.is_available(),
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            **work["options"],
        )
        model = AutoModelForCausalLM.from_pretrained(work["checkpoint"], dtype=torch.float32, trust_remote_code=False)
        trainer = SFTTrainer(model=model, args=config, train_dataset=Dataset.from_list(work["rows"]))
        began = time.process_time()
        trainer.train()
        seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts KiB
    trainer.model.save_pretrained(work["out"])
    print(json.dumps({"seconds": seconds, "peak_mb": peak}))


if __name__ == "__main__":
    main(sys.argv[1])
