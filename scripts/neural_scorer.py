"""Scores segments with a COMET, BLEURT or LaBSE model: the process that `dragoman.metrics.neural` starts.

It runs in an environment of its own (`make env-neural`) and imports nothing of ours, since the packages conflict.

    .venv-neural/bin/python -I scripts/neural_scorer.py comet Unbabel/wmt22-comet-da

Protocol. Each message is one line with one JSON object. The first message is the result of finding (or downloading) the
model, before anything is loaded:

    {"found": {"name": "Unbabel/wmt22-comet-da", "version": "revision:2760a223",
               "packages": {"comet": "2.2.7", ...}}}
    {"error": "why"}     after which the process ends with exit code 1

If the scores of this version are stored already, there is no further request. Otherwise the next request loads it:

    {"load": true}

    {"loaded": {"references": "required"}}     or "optional", or "unused"
    {"error": "why"}     after which the process ends with exit code 1

The answer to each request for scores is its progress, and then the scores:

    {"segments": [{"src": "...", "mt": "...", "ref": "..."}, ...], "batch": 16}

    {"done": 16}
    {"scores": [0.81, ...], "cut": 0}

`cut` counts segments of the model's maximum length, whose end may have been cut. The answer to a request that cannot be
served is {"error": "why"}, and the process continues. It ends with exit code 0 when its input ends. Output of libraries
goes to standard error.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Protocol, TextIO

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
warnings.filterwarnings("ignore", message="pkg_resources is deprecated")

ENCODER_FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "sentencepiece.bpe.model", "vocab.txt"]
"""Files of COMET's encoder that are read; no encoder has all of them."""


class ModelError(Exception):
    """A model that cannot be used; the message says what to do."""


class Model(Protocol):
    """A metric."""

    packages: tuple[str, ...]
    patterns: tuple[str, ...]
    weights: list[Path]
    """Files of the weights, set before loading."""
    references: str
    """`required`, `optional` or `unused`, set by `load`."""

    def load(self) -> None:
        """Load onto the GPU, or onto the CPU if there is no GPU."""

    def score(self, segments: list[dict[str, str]]) -> tuple[list[float], int]:
        """[segments] Scores of a batch, and the number of its segments that may have been cut."""


# ---------------------------------------------------------------------------------------------------------------- where


def find(model: str, revision: str | None, patterns: list[str]) -> tuple[Path, str | None]:
    """The folder (or file) of a model, and its commit if it is from the hub.

    Raises:
        ModelError: the hub does not have it, refuses it, or does not respond.
    """
    if Path(model).exists():
        return Path(model), None
    from huggingface_hub import errors, snapshot_download

    asked = f"{model} at revision {revision}" if revision else model
    try:
        folder = Path(snapshot_download(model, revision=revision, allow_patterns=patterns))
    except errors.GatedRepoError:
        text = f"{model} is gated: accept its terms at https://huggingface.co/{model}, then set HF_TOKEN to a token"
        raise ModelError(f"{text} of the same account") from None
    except errors.RepositoryNotFoundError:
        text = f"the hub has no model {model!r}, or only for those who set HF_TOKEN to a token that may read it"
        raise ModelError(f"{text}; no file or folder has that name, either") from None
    except errors.RevisionNotFoundError:
        raise ModelError(f"the hub has no revision {revision!r} of {model}") from None
    except (OSError, ValueError) as error:  # no network, a hub that is off or broken, a name that cannot be one
        text = f"{asked} is not on this machine and cannot be fetched ({' '.join(str(error).split())})"
        advice = f"fetch it where there is a network, with `hf download {model} --local-dir FOLDER`"
        raise ModelError(f"{text}: {advice}, and give model=FOLDER") from None
    return folder, folder.name


def in_cache(encoder: str) -> bool:
    """Whether the hub's cache on this machine has configuration and tokenizer of an encoder."""
    from huggingface_hub import errors, try_to_load_from_cache

    try:
        cached = {name for name in ENCODER_FILES if isinstance(try_to_load_from_cache(encoder, name), str)}
    except errors.HFValidationError:  # the path of a folder on another machine
        return False
    return "config.json" in cached and len(cached) > 1


def sha256(paths: Iterable[Path]) -> str:
    """SHA-256 of the concatenated files."""
    whole = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                whole.update(block)
    return whole.hexdigest()


def loading_failed(path: Path, error: Exception) -> ModelError:
    """An error in one line from any exception of a library about its files."""
    if os.environ.get("DRAGOMAN_DEBUG"):
        traceback.print_exception(error)
    return ModelError(f"{path} cannot be loaded ({type(error).__name__}: {' '.join(str(error).split())[:600]})")


# ---------------------------------------------------------------------------------------------------------------- COMET


class Comet:
    """Models of `unbabel-comet`: a checkpoint, and the configuration and tokenizer of the encoder that it names."""

    packages = ("unbabel-comet", "transformers", "torch")
    patterns = ("hparams.yaml", "checkpoints/model.ckpt")

    def __init__(self, path: Path, from_hub: bool) -> None:
        """Find all files.

        Raises:
            ModelError: one is missing, or names no encoder.
        """
        checkpoint = path if path.is_file() else path / "checkpoints" / "model.ckpt"
        hparams = checkpoint.parent.parent / "hparams.yaml"
        for file in (checkpoint, hparams):
            if not file.is_file():
                text = f"{path} is no COMET model: {file} is missing"
                raise ModelError(f"{text} (a folder holds hparams.yaml and checkpoints/model.ckpt)")
        self.weights = [checkpoint]

        import yaml

        try:
            encoder = yaml.safe_load(hparams.read_text(encoding="utf-8"))["pretrained_model"]
        except (yaml.YAMLError, KeyError, TypeError) as error:
            raise loading_failed(hparams, error) from error
        if not Path(encoder).is_dir() and not from_hub and not in_cache(encoder):
            text = f"{path} needs configuration and tokenizer of {encoder!r}, which the hub's cache (HF_HOME) lacks"
            advice = f"{Path(sys.executable).with_name('hf')} download {encoder} --include '*.json' '*.model' '*.txt'"
            raise ModelError(f"{text}: `{advice}`, here or where the cache comes from")
        if from_hub:
            find(encoder, None, ENCODER_FILES)

    def load(self) -> None:
        """Load onto a GPU, where there is one.

        Raises:
            ModelError: a file is broken, or lacks weights.
        """
        [checkpoint] = self.weights
        import torch
        from comet import load_from_checkpoint
        from comet.models.base import CometModel

        plain = CometModel.load_state_dict

        def load_all(model: Any, state: dict[str, Any], *arguments: Any, **options: Any) -> Any:
            """Refuse a checkpoint without some weights, which COMET would leave random."""
            if lacking := [name for name, _ in model.named_parameters() if name not in state]:
                raise ModelError(f"{checkpoint} lacks {len(lacking)} of the model's weights ({lacking[0]}, ...)")
            return plain(model, state, *arguments, **options)

        CometModel.load_state_dict = load_all
        logging.getLogger("comet").setLevel(logging.WARNING)
        try:
            self.model = load_from_checkpoint(str(checkpoint), local_files_only=True)
        except ModelError:
            raise
        except UnpicklingError:
            text = f"{checkpoint} ({checkpoint.stat().st_size} bytes) is broken, or holds more than weights"
            advice = "if you trust its source with running programs, set TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1"
            raise ModelError(f"{text}: fetch it again, or, {advice}") from None
        except Exception as error:
            raise loading_failed(checkpoint, error) from error
        self.model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        optional = "ref" in self.model.hparams.get("input_segments", [])
        self.references = "required" if self.model.requires_references() else "optional" if optional else "unused"

    def score(self, segments: list[dict[str, str]]) -> tuple[list[float], int]:
        """The same as `CometModel.predict`, without Lightning's trainer, which moves the model off the GPU after each
        call."""
        inputs = self.model.prepare_for_inference(segments)
        parts = inputs if isinstance(inputs, tuple) else (inputs,)
        masks = [mask for part in parts for name, mask in part.items() if name.endswith("attention_mask")]
        limit = self.model.encoder.max_positions - 2
        cut = sum(mask.sum(dim=1) >= limit for mask in masks).bool().sum()
        batch = self.model.transfer_batch_to_device(inputs, self.model.device, 0)
        return self.model.predict_step(batch).scores.flatten().tolist(), int(cut)


# --------------------------------------------------------------------------------------------------------------- BLEURT


class Bleurt:
    """Models of `bleurt-pytorch`: the checkpoints of Google, converted."""

    packages = ("bleurt-pytorch", "transformers", "torch")
    patterns = ("*.json", "*.model", "*.txt", "*.safetensors", "*.bin")
    references = "required"

    def __init__(self, path: Path, from_hub: bool) -> None:
        """Find all files.

        Raises:
            ModelError: one is missing.
        """
        self.path = path
        self.weights = sorted([*path.glob("*.safetensors"), *path.glob("*.bin")])
        if not ((path / "config.json").is_file() and self.weights):
            text = f"{path} is no BLEURT model in PyTorch"
            raise ModelError(f"{text} (a folder holds config.json, spm.model or vocab.txt, and weights)")

    def load(self) -> None:
        """Load onto a GPU, where there is one.

        Raises:
            ModelError: a file is broken, or lacks weights.
        """
        path = self.path
        import torch
        from bleurt_pytorch import BleurtForSequenceClassification, BleurtTokenizer

        logging.getLogger("transformers.tokenization_utils_base").setLevel(logging.ERROR)  # about the class's name
        try:
            self.tokenizer = BleurtTokenizer.from_pretrained(path, local_files_only=True)
            self.model, report = BleurtForSequenceClassification.from_pretrained(
                path, local_files_only=True, output_loading_info=True
            )
        except Exception as error:
            raise loading_failed(path, error) from error
        if lacking := sorted(set(report["missing_keys"]) & {name for name, _ in self.model.named_parameters()}):
            raise ModelError(f"{path} lacks {len(lacking)} of the model's weights ({lacking[0]}, ...)")
        self.model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        self.limit = self.model.config.max_position_embeddings

    def score(self, segments: list[dict[str, str]]) -> tuple[list[float], int]:
        """The reference comes first, as in training."""
        references, hypotheses = ([segment[key] for segment in segments] for key in ("ref", "mt"))
        inputs = self.tokenizer(
            references, hypotheses, padding="longest", truncation=True, max_length=self.limit, return_tensors="pt"
        ).to(self.model.device)
        cut = (inputs["attention_mask"].sum(dim=1) >= self.limit).sum()
        return self.model(**inputs).logits.flatten().tolist(), int(cut)


# --------------------------------------------------------------------------------------------------------------- LaBSE


class Labse:
    """A BERT whose pooler makes sentence embeddings; the score is the cosine of hypothesis and reference."""

    packages = ("transformers", "torch")
    patterns = ("*.json", "vocab.txt", "*.safetensors")
    references = "required"

    def __init__(self, path: Path, from_hub: bool) -> None:
        """Find all files.

        Raises:
            ModelError: one is missing.
        """
        self.path = path
        self.weights = sorted(path.glob("*.safetensors"))
        if not ((path / "config.json").is_file() and self.weights):
            text = f"{path} is no BERT model (a folder holds config.json, a tokenizer, and weights as safetensors)"
            raise ModelError(f"{text}; sentence-transformers/LaBSE keeps its pooler apart: take setu4993/LaBSE")

    def load(self) -> None:
        """Load onto a GPU, where there is one.

        Raises:
            ModelError: a file is broken, or lacks weights.
        """
        path = self.path
        import torch
        from transformers import AutoTokenizer, BertModel

        try:
            self.tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
            self.model, report = BertModel.from_pretrained(path, local_files_only=True, output_loading_info=True)
        except Exception as error:
            raise loading_failed(path, error) from error
        if lacking := sorted(set(report["missing_keys"]) & {name for name, _ in self.model.named_parameters()}):
            raise ModelError(f"{path} lacks {len(lacking)} of the model's weights ({lacking[0]}, ...)")
        self.model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        self.limit = self.model.config.max_position_embeddings

    def score(self, segments: list[dict[str, str]]) -> tuple[list[float], int]:
        """Cosines of hypothesis and reference. Padding is masked, so the batch changes only the last bits."""
        import torch

        sides, cut = [], torch.zeros(len(segments), dtype=torch.bool)
        for key in ("mt", "ref"):
            inputs = self.tokenizer(
                [segment[key] for segment in segments],
                padding="longest",
                truncation=True,
                max_length=self.limit,
                return_tensors="pt",
            ).to(self.model.device)
            cut |= (inputs["attention_mask"].sum(dim=1) >= self.limit).cpu()
            sides.append(self.model(**inputs).pooler_output)
        return torch.nn.functional.cosine_similarity(*sides).tolist(), int(cut.sum())


# -------------------------------------------------------------------------------------------------------------- serving


def score(model: Model, segments: list[dict[str, str]], batch: int, out: TextIO) -> dict[str, Any]:
    """Score segments of similar length together, the longest first, so that a lack of memory shows at once."""
    import torch

    order = sorted(range(len(segments)), key=lambda i: -sum(map(len, segments[i].values())))
    scores, cut = [0.0] * len(segments), 0
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            try:
                values, more = model.score([segments[i] for i in chosen])
            except torch.OutOfMemoryError:
                return {"error": f"the GPU's memory does not hold {batch} segments at once: give a smaller batch=N"}
            if len(values) != len(chosen):
                return {"error": f"the model gives {len(values)} values for {len(chosen)} segments"}
            for i, value in zip(chosen, values, strict=True):
                scores[i] = value
            cut += more
            say(out, {"done": start + len(chosen)})
    return {"scores": scores, "cut": cut}


def say(out: TextIO, message: dict[str, Any]) -> None:
    """Send a line."""
    print(json.dumps(message), file=out, flush=True)


def main() -> None:
    """Load the model, then answer requests."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kind", choices=["comet", "bleurt", "labse"])
    parser.add_argument("model", help="a folder, a COMET checkpoint, or a name on the Hugging Face hub")
    parser.add_argument("--revision", help="commit, tag or branch on the hub (default: the newest)")
    arguments = parser.parse_args()
    # standard output is for answers only; output of libraries, also of those in C, goes to standard error
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    kind = {"comet": Comet, "bleurt": Bleurt, "labse": Labse}[arguments.kind]
    try:
        path, commit = find(arguments.model, arguments.revision, list(kind.patterns))
        model = kind(path, from_hub=commit is not None)
    except ModelError as error:
        say(out, {"error": str(error)})
        sys.exit(1)
    facts = {
        "name": arguments.model if commit else path.resolve().name,
        "version": f"revision:{commit}" if commit else f"sha256:{sha256(model.weights)}",
        "packages": {name: version(name).split("+")[0] for name in kind.packages},
    }
    say(out, {"found": facts})
    for line in sys.stdin:
        request = json.loads(line)
        if "load" in request:
            try:
                model.load()
            except ModelError as error:
                say(out, {"error": str(error)})
                sys.exit(1)
            say(out, {"loaded": {"references": model.references}})
        else:
            say(out, score(model, request["segments"], request["batch"], out))


if __name__ == "__main__":
    main()
