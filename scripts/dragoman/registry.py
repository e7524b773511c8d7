"""Names that a YAML file or a command line may use, and the module each one lives in.

One table per kind of thing. A module is imported only when its name is used, so that looking a name up costs nothing
and needs no torch. Adding a method, task, metric, decoder or read/write policy is one file and one line here; a corpus
provider also needs a typed model of its keys.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from typing import Any

REGISTRY: dict[str, dict[str, str]] = {
    "provider": {
        "demo": "dragoman.corpora.demo",
        "files": "dragoman.corpora.files",
        "hub": "dragoman.corpora.hub",
        "sacrebleu": "dragoman.corpora.sacrebleu",
        "archive": "dragoman.corpora.archive",
        "pivot": "dragoman.corpora.pivot",
        "ud": "dragoman.corpora.ud",
        "instructions": "dragoman.corpora.instructions",
    },
    "task": {
        "translation": "dragoman.tasks.translation",
        "summary": "dragoman.tasks.summary",
        "tagging": "dragoman.tasks.tagging",
    },
    "method": {
        "sft": "dragoman.methods.sft",
        "simulmask": "dragoman.methods.simulmask",
        "prefix": "dragoman.methods.prefix",
        "converse": "dragoman.methods.converse",
        "interleave": "dragoman.methods.interleave",
        "language-aware": "dragoman.methods.language_aware",
        "consistency": "dragoman.methods.consistency",
        "preference": "dragoman.methods.preference",
    },
    "policy": {
        "wait-k": "dragoman.policies.wait_k:WaitK",
        "wait-k-stride": "dragoman.policies.wait_k_stride:WaitKStride",
        "alignment": "dragoman.policies.alignment:Alignment",
        "local-agreement": "dragoman.policies.local_agreement:LocalAgreement",
        "confidence": "dragoman.policies.confidence:Confidence",
        "alignatt": "dragoman.policies.alignatt:AlignAtt",
        "ralcp": "dragoman.policies.ralcp:RALCP",
    },
    "decoder": {
        "offline": "dragoman.decoding.offline",
        "simultaneous": "dragoman.decoding.simultaneous",
        "streaming": "dragoman.decoding.streaming",
        "conversation": "dragoman.decoding.conversation",
        "interleaved": "dragoman.decoding.interleaved",
        "contrastive": "dragoman.decoding.contrastive",
        "gated": "dragoman.decoding.gated",
        "steered": "dragoman.decoding.steered",
        "contextual": "dragoman.decoding.contextual",
        "prefilled": "dragoman.decoding.prefilled",
        "copy": "dragoman.decoding.baselines",
        "dictionary": "dragoman.decoding.baselines",
    },
    "metric": {
        "bleu": "dragoman.metrics.bleu",
        "chrf": "dragoman.metrics.chrf",
        "ter": "dragoman.metrics.ter",
        "comet": "dragoman.metrics.comet:COMET",
        "bleurt": "dragoman.metrics.bleurt:BLEURT",
        "al": "dragoman.metrics.latency:AL",
        "laal": "dragoman.metrics.latency:LAAL",
        "ap": "dragoman.metrics.latency:AP",
        "dal": "dragoman.metrics.latency:DAL",
        "atd": "dragoman.metrics.latency:ATD",
        "yaal": "dragoman.metrics.latency:YAAL",
        "gflops": "dragoman.metrics.cost",
        "bits": "dragoman.metrics.bits",
        "offtarget": "dragoman.metrics.offtarget",
        "confusion": "dragoman.metrics.confusion",
        "tags": "dragoman.metrics.tags",
        "rouge": "dragoman.metrics.rouge",
        "lase": "dragoman.metrics.lase",
    },
}


class UnknownNameError(KeyError):
    """A name that is not there; the text says what may have been meant."""

    def __str__(self) -> str:  # a plain KeyError would show the text in quotes
        return str(self.args[0])


def names(kind: str) -> list[str]:
    """Every registered name of a kind, in alphabetical order."""
    return sorted(REGISTRY[kind])


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name most like `name`, or None when none is near."""
    matches = difflib.get_close_matches(str(name), [str(a) for a in allowed], n=1, cutoff=0.5)
    return matches[0] if matches else None


def unknown(kind: str, name: str, allowed: Iterable[str], others: Iterable[str] = (), where: str = "") -> str:
    """The sentence that tells a user what they may have meant.

    Args:
        kind: what kind of name it is.
        name: the unknown name.
        allowed: names that there are, all of which are listed.
        others: further names, of which those most like `name` are listed.
        where: where all of `others` can be read.
    """
    allowed, others = sorted(allowed), sorted({*others} - {*allowed})
    near = nearest(name, [*allowed, *others])
    hint = f"; did you mean {near!r}?" if near else ""
    listed = [*allowed, *difflib.get_close_matches(str(name), others, n=3, cutoff=0.5)]
    if more := len(allowed) + len(others) - len(listed):
        listed.append(f"{more} in {where}")
    return f"unknown {kind} {name!r}{hint} (known: {', '.join(listed) or 'none'})"


def module_of(kind: str, name: str) -> Any:
    """The module behind a registered name, imported; or what stands in it, where the table says `module:attribute`.

    Raises:
        UnknownNameError: the name is not registered, and the message names the nearest one; or nothing is where the
            table says.
    """
    if name not in REGISTRY[kind]:
        raise UnknownNameError(unknown(kind, name, REGISTRY[kind]))
    module, _, attribute = REGISTRY[kind][name].partition(":")
    try:
        imported = importlib.import_module(module)
        return getattr(imported, attribute) if attribute else imported
    except (ModuleNotFoundError, AttributeError) as error:
        if error.name not in (module, attribute):
            raise  # something that the module itself needs
        text = f"registry.py: the {kind} {name!r} should be in {REGISTRY[kind][name]}, which does not exist"
        raise UnknownNameError(f"{text}; correct this line") from error
