"""Metrics that are neural networks, run by a process of another environment: their packages do not go with ours.

COMET and BLEURT are a `Network` each; LaSE takes a network's score for a part of its own. `make env-neural` makes that
environment. `scripts/neural_scorer.py`, which runs there, describes the protocol. Each model has a process, which is
started when it is first needed, keeps it loaded, and ends with ours. Texts that have been scored by the same version of
a model are not scored again (`score_cache.py`), and then it is not even loaded.
"""

from __future__ import annotations

import atexit
import json
import logging
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dragoman import registry
from dragoman.command import REPOSITORY, bar
from dragoman.metrics import Counts, MetricError, Score, require, score_cache
from dragoman.metrics.bootstrap import RESAMPLES, drawn, of_mean
from dragoman.metrics.sums import mean, values_of

log = logging.getLogger(__name__)

SCORER = REPOSITORY / "scripts" / "neural_scorer.py"
METRICS = ("bleurt", "comet", "lase")
"""Registered metrics that need that environment."""
BATCH = 16
"""Segments scored at once, unless the metric says otherwise."""
_SECONDS_BETWEEN_LINES = 10


def python() -> Path:
    """The Python of the neural environment: DRAGOMAN_NEURAL_PYTHON, or that of `make env-neural`.

    Raises:
        MetricError: there is none.
    """
    chosen = os.environ.get("DRAGOMAN_NEURAL_PYTHON")
    path = Path(chosen) if chosen else REPOSITORY / ".venv-neural" / "bin" / "python"
    if not path.is_file():
        text = "DRAGOMAN_NEURAL_PYTHON names no file" if chosen else "the environment of neural metrics is not made yet"
        raise MetricError(f"{text} ({path}): run `make env-neural`")
    return path


def check(model: Any, revision: Any = None, batch: Any = BATCH, bootstrap: Any = None, **others: Any) -> None:
    """Refuse what can be refused without loading anything.

    Raises:
        MetricError: an unknown option, a value of the wrong kind, or a model neither on this machine nor named like one
            of the hub.
    """
    for option in others:
        raise MetricError(registry.unknown("option", option, ["model", "revision", "batch", "bootstrap"]))
    for name, value in (("model", model), ("revision", revision)):
        if not isinstance(value, str) and not (value is None and name == "revision"):
            raise MetricError(f'{name}={value} was read as a number; write {name}="..." with the quotes')
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise MetricError(f"batch is a whole number of segments from 1, not {batch!r}")
    if bootstrap is not None and (isinstance(bootstrap, bool) or not isinstance(bootstrap, int) or bootstrap < 0):
        raise MetricError(f"bootstrap is a number of resamples from 0, not {bootstrap!r}")
    if Path(model).exists():
        if revision is not None:
            raise MetricError(f"{model} is on this machine, so there is no revision of it to choose")
        return
    path = Path(model)
    if path.is_absolute() or len(path.parts) != 2 or path.parts[0] in (".", "..", "~"):
        text = f"no such file or folder: {model!r} (a model of the hub has a name like `Unbabel/wmt22-comet-da`)"
        raise MetricError(f"{text}; to have one of the hub there: `hf download NAME --local-dir FOLDER`")


class Scorer:
    """A process with a model."""

    def __init__(self, kind: str, model: str, revision: str | None) -> None:
        """Start it and wait until the model is found, or fetched; its name, version and libraries are in `about`.

        Args:
            kind: "comet", "bleurt" or "labse".

        Raises:
            MetricError: no environment or no model; with what to do about it.
        """
        self.kind, self.name = kind, f"{kind}, model {model}"
        self._references: Literal["required", "optional", "unused"] | None = None
        command = [str(python()), "-I", str(SCORER), kind, model]
        command += [] if revision is None else ["--revision", revision]
        pipe = subprocess.PIPE
        try:
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, encoding="utf-8")
        except OSError as error:
            raise MetricError(f"{command[0]} does not start ({error}): run `make env-neural`") from None
        try:
            self.about: dict[str, Any] = self._hear()["found"]
        except BaseException:
            self.close()
            raise

    def load(self) -> Literal["required", "optional", "unused"]:
        """Load the model, if it is not loaded, and say what it does with references.

        Raises:
            MetricError: it cannot be used; with what to do about it.
        """
        if self._references is None:
            log.info("%s: loading the model", self.name)
            self._say({"load": True})
            self._references = self._hear()["loaded"]["references"]
        return self._references

    def score(self, segments: list[dict[str, str]], batch: int = BATCH) -> tuple[list[float], int]:
        """One value per segment, and how many segments the model may not have read to their end.

        Args:
            segments: texts by `src`, `mt` and `ref`, as far as the model reads them.
            batch: segments scored at once.

        Raises:
            MetricError: the process has ended, or cannot score this; or a value is no number.
        """
        self.load()
        self._say({"segments": segments, "batch": batch})
        begin = shown = time.monotonic()
        try:
            while "scores" not in (answer := self._hear()):
                now = time.monotonic()
                if now - shown >= _SECONDS_BETWEEN_LINES:
                    shown, done = now, answer["done"]
                    left = (now - begin) * (len(segments) - done) / done
                    log.info("%s: %s", self.name, bar(done, len(segments), left))
        except KeyboardInterrupt:  # or the next request would get the answers to this one
            self.close()
            raise
        for number, value in enumerate(answer["scores"], 1):
            if not math.isfinite(value):
                raise MetricError(f"{self.name}: the score of sentence {number} is {value}")
        return answer["scores"], answer["cut"]

    def close(self) -> None:
        """End the process; it may be over already."""
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def _say(self, request: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):  # it is gone, which shows when it is to answer
            print(json.dumps(request), file=self.process.stdin, flush=True)

    def _hear(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
            memory = "; SIGKILL often means that memory ran out" if code == -signal.SIGKILL else ""
            raise MetricError(f"{self.name}: the process has ended with {how} (its last words are above{memory})")
        try:
            answer = json.loads(line)
        except json.JSONDecodeError:
            self.close()
            raise MetricError(f"{self.name}: the process said {line.strip()!r}, which is no JSON") from None
        if "error" in answer:
            raise MetricError(f"{self.kind}: {answer['error']}")
        return answer


_RUNNING: dict[tuple[str, str, str | None], Scorer] = {}


def scorer(kind: str, model: str, revision: str | None = None) -> Scorer:
    """The process with a model: the one that has it, or a new one. Arguments and errors as of `Scorer`."""
    key = (kind, model, revision)
    if key in _RUNNING and _RUNNING[key].process.poll() is not None:
        _RUNNING.pop(key).close()
    if key not in _RUNNING:
        _RUNNING[key] = Scorer(*key)
    return _RUNNING[key]


def requisite(kind: str, model: str, revision: str | None) -> Callable[[], str]:
    """A function that finds a model, which may mean to fetch it, and says which it is."""

    def find() -> str:
        check(model, revision)
        about = scorer(kind, model, revision).about
        return f"the model {about['name']} of {kind}, {about['version']}"

    return find


@atexit.register
def close() -> None:
    """End all processes."""
    while _RUNNING:
        _RUNNING.popitem()[1].close()


def label(title: str, default: str, model: Any = None, revision: Any = None, **others: Any) -> str:
    """`COMET`; `COMET (wmt22-cometkiwi-da)` where another model was chosen, with its revision if that was, too."""
    chosen = [Path(str(model)).name] if model not in (None, default) else []
    chosen += [f"revision {revision}"] if revision else []
    return f"{title} ({', '.join(chosen)})" if chosen else title


def compute(
    kind: str,
    title: str,
    hypotheses: list[str],
    references: list[list[str]],
    sources: list[str],
    model: str,
    revision: str | None,
    batch: int,
    bootstrap: int,
) -> Score:
    """Mean over sentences with a 95 % bootstrap interval, and the value of each sentence.

    Raises:
        MetricError: no environment, no model, texts that the model needs and does not have; with what to do about it.
    """
    require(hypotheses, references, sources or None)
    check(model, revision, batch)
    process = scorer(kind, model, revision)
    about = process.about
    given = {"hypotheses": hypotheses, "references": references, "sources": sources}
    made_from = {"kind": kind, "version": about["version"], "packages": about["packages"], "batch": batch, **given}
    if (scored := score_cache.load(made_from)) is None:
        scored = _scored(process, title, hypotheses, references, sources, batch)
        score_cache.store(made_from, scored)
    values, cut = scored["scores"], scored["cut"]
    low, high = of_mean(values, bootstrap)
    facts = [title, f"model:{about['name']}", about["version"], f"nrefs:{scored['nrefs']}", "precision:fp32"]
    packages = [f"{name}:{version}" for name, version in about["packages"].items()]
    notes = []
    if empty := sum(not text.strip() for text in hypotheses):
        notes.append(f"{empty} of {len(hypotheses)} hypotheses are empty, for which the model was not trained")
    if cut:
        notes.append(f"{cut} of {len(hypotheses)} sentences may be longer than the model reads")
    mean = math.fsum(values) / len(values)
    signature = "|".join(["|".join(facts) + drawn(bootstrap), *packages])
    return Score(mean, low, high, signature, len(values), tuple(values), "; ".join(notes))


def _scored(
    process: Scorer, title: str, hypotheses: list[str], references: list[list[str]], sources: list[str], batch: int
) -> dict[str, Any]:
    if (reads := process.load()) == "required" and not references:
        raise MetricError(f"{process.name}: this model needs references")
    texts = {"mt": hypotheses} | ({"src": sources} if sources else {})
    if references and reads != "unused":
        if len(references) != 1:
            raise MetricError(f"{title} compares with one reference, not {len(references)}")
        texts["ref"] = references[0]
    segments = [dict(zip(texts, each, strict=True)) for each in zip(*texts.values(), strict=True)]
    values, cut = process.score(segments, batch)
    return {"scores": values, "cut": cut, "nrefs": int("ref" in texts)}


@dataclass(frozen=True, slots=True)
class Network:
    """A network that is a metric by itself: what the registry has under its name."""

    kind: str
    """As `Scorer` knows it."""
    title: str
    MODEL: str
    """Its model unless `model` names another."""
    NEEDS: frozenset[str]
    BETTER: Literal["higher"] = "higher"
    DIGITS: int = 4

    def label(self, **options: Any) -> str:
        """`COMET`, with the model where it was chosen by hand."""
        return label(self.title, self.MODEL, **options)

    def check(self, pairs: Iterable[str] = (), *, model: Any = None, **options: Any) -> None:
        """Refuse options that cannot be meant, without loading a model."""
        check(self.MODEL if model is None else model, **options)

    def requisites(
        self, pairs: Iterable[str], *, model: str | None = None, revision: str | None = None, **others: Any
    ) -> list[Callable[[], str]]:
        """The model, which is fetched where it is not on this machine."""
        return [requisite(self.kind, model or self.MODEL, revision)]

    def compute(
        self,
        hypotheses: list[str],
        references: list[list[str]],
        sources: list[str],
        pair: str,
        *,
        model: str | None = None,
        revision: str | None = None,
        batch: int = BATCH,
        bootstrap: int = RESAMPLES,
    ) -> Score:
        """Mean over sentences with a 95 % bootstrap interval, and the value of each sentence.

        Args:
            model: a name on the hub, which is fetched; or a folder with its files.
            revision: commit, tag or branch on the hub; None for the newest. The signature has the commit.
            batch: sentences scored at once.
            bootstrap: number of resamples; 0 leaves the interval out.
        """
        read = sources if "sources" in self.NEEDS else []
        chosen = self.MODEL if model is None else model
        return compute(self.kind, self.title, hypotheses, references, read, chosen, revision, batch, bootstrap)

    def counts(self, *texts: Any, **options: Any) -> Counts:
        """The value of each sentence, and 1, [sentences, 2]; arguments and errors as of `compute`."""
        return values_of(self.compute)(*texts, **options)

    score = staticmethod(mean)
