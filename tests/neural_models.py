"""Tiny random COMET and BLEURT models with the architecture of the real ones. It runs in the neural environment.

python tests/neural_models.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning
import sentencepiece
import torch
import yaml
from bleurt_pytorch import BleurtConfig, BleurtForSequenceClassification, BleurtTokenizer
from bleurt_pytorch.bleurt.tokenization_bleurt_sp import BleurtSPTokenizer
from comet import load_from_checkpoint
from comet.models import RegressionMetric, UnifiedMetric, XCOMETMetric
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import XLMRobertaConfig, XLMRobertaTokenizerFast

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Surprise:
    """What a checkpoint must not bring along: unpickling it runs a program."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("a checkpoint has run a program",)


def encoder(folder: Path) -> None:
    """Configuration and tokenizer of an XLM-R that reads letters."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    # an explicit vocabulary: what the library learns differs from run to run
    tokenizer = Tokenizer(models.Unigram([(token, 0.0) for token in [*special, "\u2581", *LETTERS]], unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(special)
    ends = [("<s>", 0), ("</s>", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ends
    )
    XLMRobertaTokenizerFast(tokenizer_object=tokenizer, model_max_length=64).save_pretrained(folder)
    XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        type_vocab_size=1,
    ).save_pretrained(folder)


def comet(folder: Path, kind: type, lack: str = "", more: dict[str, Any] | None = None, **options: Any) -> None:
    """Save a model as Lightning does: `hparams.yaml` and `checkpoints/model.ckpt`."""
    torch.manual_seed(1)
    options = {"pretrained_model": str(folder.parent / "encoder"), "hidden_sizes": [16, 8], **options}
    model = kind(encoder_model="XLM-RoBERTa", load_pretrained_weights=False, local_files_only=True, **options)
    hparams = dict(model.hparams)
    if folder.name == "elsewhere":
        hparams["pretrained_model"] = "nobody/encoder"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "hparams.yaml").write_text(yaml.safe_dump(hparams))
    state = {name: value for name, value in model.state_dict().items() if not (lack and name.startswith(lack))}
    whole = {"state_dict": state, "hyper_parameters": hparams, **(more or {})}
    torch.save(
        whole | {"pytorch-lightning_version": pytorch_lightning.__version__}, folder / "checkpoints" / "model.ckpt"
    )


def bleurt(folder: Path) -> None:
    """The BLEURT-20 kind: sentencepiece and embeddings narrower than the encoder."""
    folder.mkdir()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(LETTERS)] * 5),
        model_prefix=str(folder / "spm"),
        vocab_size=60,
        hard_vocab_limit=False,
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
        pad_piece="[PAD]",
        unk_piece="[UNK]",
        bos_piece="[CLS]",
        eos_piece="[SEP]",
        user_defined_symbols=["[MASK]"],
        minloglevel=2,
    )
    tokenizer = BleurtSPTokenizer(str(folder / "spm.model"), do_lower_case=False)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    sizes = {"embedding_size": 8, "hidden_size": 16, "intermediate_size": 32, "max_position_embeddings": 32}
    config = BleurtConfig(vocab_size=len(tokenizer), num_hidden_layers=2, num_attention_heads=2, **sizes)
    BleurtForSequenceClassification(config).save_pretrained(folder)


def expected(folder: Path) -> dict[str, list[float]]:
    """Scores of the sentences in `texts.json`, by the libraries' own ways to score."""
    texts = json.loads((folder / "texts.json").read_text())
    found = {}
    for name in ("comet", "kiwi", "unite", "xcomet"):
        model = load_from_checkpoint(str(folder / name / "checkpoints" / "model.ckpt"), local_files_only=True)
        found[name] = model.predict(texts, batch_size=3, gpus=0, num_workers=0, progress_bar=False).scores
    tokenizer = BleurtTokenizer.from_pretrained(folder / "bleurt")
    model = BleurtForSequenceClassification.from_pretrained(folder / "bleurt").eval()
    pairs = [(text["ref"], text["mt"]) for text in texts]
    with torch.no_grad():
        inputs = tokenizer(pairs, padding="longest", truncation=True, max_length=32, return_tensors="pt")
        found["bleurt"] = model(**inputs).logits.flatten().tolist()
    return found


def main(folder: Path) -> None:
    """Make them all, and write what they give for `texts.json` into `expected.json`."""
    encoder(folder / "encoder")
    sparse = {"layer_transformation": "sparsemax", "layer_norm": False}
    comet(folder / "comet", RegressionMetric, **sparse)  # like wmt22-comet-da
    kiwi = {**sparse, "word_layer": 1, "word_level_training": True}
    comet(folder / "kiwi", UnifiedMetric, input_segments=["mt", "src"], **kiwi)  # like wmt22-cometkiwi-da
    comet(folder / "unite", UnifiedMetric, input_segments=["mt", "src", "ref"], **kiwi)
    comet(folder / "xcomet", XCOMETMetric, sent_layer="mix", word_layer=1, **sparse)  # like XCOMET-XL
    comet(folder / "lacking", RegressionMetric, lack="estimator.", **sparse)
    comet(folder / "pickled", RegressionMetric, more={"extra": Surprise()}, **sparse)
    comet(folder / "elsewhere", RegressionMetric, **sparse)
    bleurt(folder / "bleurt")
    (folder / "expected.json").write_text(json.dumps(expected(folder)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
