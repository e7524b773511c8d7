"""Neural metrics. They run in a process with another environment, since their packages conflict with ours.

COMET and BLEURT are a `Network` each; LaSE uses the score of a network as one of its factors. `make env-neural` makes
the environment. `scripts/neural_scorer.py` runs in it and describes the protocol. Each model has a process, which is
started at the first use, keeps the model loaded, and ends with our process. Scores are cached by text and version of
the model (`score_cache.py`); if all scores are cached, the model is not loaded.
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
"""Registered metrics that need the neural environment."""
BATCH = 16
"""Default number of segments that are scored at once."""
_SECONDS_BETWEEN_LINES = 10


def python() -> Path:
    """The Python of the neural environment: DRAGOMAN_NEURAL_PYTHON if it is set, otherwise `make env-neural`'s.

    Raises:
        MetricError: the file does not exist.
    """
    chosen = os.environ.get("DRAGOMAN_NEURAL_PYTHON")
    path = Path(chosen) if chosen else REPOSITORY / ".venv-neural" / "bin" / "python"
    if not path.is_file():
        text = "DRAGOMAN_NEURAL_PYTHON names no file" if chosen else "the environment of neural metrics is not made yet"
        raise MetricError(f"{text} ({path}): run `make env-neural`")
    return path


def check(model: Any, revision: Any = None, batch: Any = BATCH, bootstrap: Any = None, **others: Any) -> None:
    """Refuse invalid options, without loading a model.

    Raises:
        MetricError: an option is unknown, a value has a wrong type, or a model does not exist on this machine and is
            not named like a model of the hub.
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
    """A process that scores with a model."""

    def __init__(self, kind: str, model: str, revision: str | None) -> None:
        """Start the process, and wait until it has found or fetched the model. Name, version and libraries of the model
        are then in `about`.

        Args:
            kind: "comet", "bleurt" or "labse".
            model: a name on the hub, or a path.
            revision: on the hub; None: the newest.

        Raises:
            MetricError: there is no environment or no model; the message says what to do.
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
        """Load the model, if it is not loaded yet; returns whether it needs references.

        Raises:
            MetricError: the model cannot be used; the message says what to do.
        """
        if self._references is None:
            log.info("%s: loading the model", self.name)
            self._say({"load": True})
            self._references = self._hear()["loaded"]["references"]
        return self._references

    def score(self, segments: list[dict[str, str]], batch: int = BATCH) -> tuple[list[float], int]:
        """One value per segment, and the number of segments that may have been truncated.

        Args:
            segments: each has the texts `src`, `mt` and `ref`, or those of them that the model uses.
            batch: number of segments scored at once.

        Raises:
            MetricError: the process has ended or reports an error, or a value is not finite.
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
        except KeyboardInterrupt:  # else the next request would read the answers to this one
            self.close()
            raise
        for number, value in enumerate(answer["scores"], 1):
            if not math.isfinite(value):
                raise MetricError(f"{self.name}: the score of sentence {number} is {value}")
        return answer["scores"], answer["cut"]

    def close(self) -> None:
        """End the process, if it has not ended."""
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def _say(self, request: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):  # the process has ended; `_hear` reports it
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
    """The process with a model, which is started if there is none. Arguments and errors are as in `Scorer`."""
    key = (kind, model, revision)
    if key in _RUNNING and _RUNNING[key].process.poll() is not None:
        _RUNNING.pop(key).close()
    if key not in _RUNNING:
        _RUNNING[key] = Scorer(*key)
    return _RUNNING[key]


def requisite(kind: str, model: str, revision: str | None) -> Callable[[], str]:
    """A function that finds or fetches a model and returns its description."""

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
    """`COMET`; `COMET (wmt22-cometkiwi-da)` if another model is set, also with the revision if it is set."""
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
        MetricError: there is no environment or no model, or texts that the model needs are missing; the message says
            what to do.
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
    """A neural metric, as a registered metric."""

    kind: str
    """The `kind` of its `Scorer`."""
    title: str
    MODEL: str
    """The default model."""
    NEEDS: frozenset[str]
    BETTER: Literal["higher"] = "higher"
    DIGITS: int = 4

    def label(self, **options: Any) -> str:
        """`COMET`, with the model if it is set."""
        return label(self.title, self.MODEL, **options)

    def check(self, pairs: Iterable[str] = (), *, model: Any = None, **options: Any) -> None:
        """Refuse invalid options, without loading a model; errors are as in the function `check`."""
        check(self.MODEL if model is None else model, **options)

    def requisites(
        self, pairs: Iterable[str], *, model: str | None = None, revision: str | None = None, **others: Any
    ) -> list[Callable[[], str]]:
        """A function that finds the model, or fetches it if it is not on this machine."""
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
            revision: commit, tag or branch on the hub; None: the newest. The signature has the commit.
            batch: number of sentences scored at once.
            bootstrap: number of resamples; 0: no interval.

        Raises:
            MetricError: as in the function `compute`.
        """
        read = sources if "sources" in self.NEEDS else []
        chosen = self.MODEL if model is None else model
        return compute(self.kind, self.title, hypotheses, references, read, chosen, revision, batch, bootstrap)

    def counts(self, *texts: Any, **options: Any) -> Counts:
        """The value of each sentence, and 1, [sentences, 2]; arguments and errors are as in `compute`."""
        return values_of(self.compute)(*texts, **options)

    score = staticmethod(mean)
