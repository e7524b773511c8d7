"""Events of a translation for a page on which it can be watched: words read and written, and the latency so far.

`scripts/stream.py --page` shows these events on a page (`watch_server.py`, `reporting/watch.html.j2`). In them, symbols
replace control characters and characters that change the direction of text. An event is an object with one of these
keys:

    waiting   true: another translation is running
    loading   true: the model is not in memory yet
    source    the source words (characters) from `units.units`; `units` holds the units of source and target
    read      number of source words that have been read
    word      a target word; `read` source words had been read when it was complete, and `laal` is the latency so far
    end       `laal` and `signature` (null if no word was written), `ended`: whether the model ended the sentence, and
              `note`: the reason why the translation was cut short
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from dragoman.decoding import live
from dragoman.languages import NAMES, split_pair
from dragoman.languages.units import Units, of_pair, units
from dragoman.metrics import Score
from dragoman.metrics.latency import scores
from dragoman.metrics.log_units import UNITS
from dragoman.metrics.timing import timing
from dragoman.plan import Plan
from dragoman.reporting.examples import visible
from dragoman.storage import MANIFEST, sha256
from dragoman.strict import Strict

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from dragoman.decoding.streaming import Interpreter

Event = dict[str, Any]
LONGEST = 400
"""Maximum number of source units. The page has a line for each target word, which is unreadable for longer texts."""
KEPT = 3
"""Maximum number of models in memory. A further model replaces the one that was used least recently."""


class Request(Strict):
    """A sentence to translate, and the system that translates it."""

    experiment: str
    system: str
    """Its name, from `live.Point.system`."""
    pair: str
    seed: int
    setting: str
    """Empty: the system's first setting, or none if it has none."""
    text: str
    """The source; line breaks count as blanks."""
    pause: float = Field(ge=0, le=5)
    """Seconds between two source words; 0: as fast as the model translates."""


def laal(delays: list[int], read: int, counted: Units) -> Score | None:
    """LAAL of the words written so far, as if the source ended with the last word read. There is no reference, so the
    length of the hypothesis is used instead of the reference's.

    Args:
        delays: source units read when each target unit was complete.
        read: number of source units read.
        counted: units of source and target.

    Returns:
        None if nothing has been written.
    """
    if not delays:
        return None
    names = {unit: name for name, unit in UNITS.items()}
    options: Any = {"unit": names[counted.target], "source_unit": names[counted.source]}
    score = scores(timing([delays], [read], None), ["laal"], reference_length=False, bootstrap=0, **options)["laal"]
    assert isinstance(score, Score)  # every sentence with a word has a LAAL
    return score


def translate(interpreter: Interpreter, source: list[str], pause: float = 0) -> Iterator[Event]:
    """Yields the events of a sentence, each as soon as it is known.

    Args:
        interpreter: it is reset first.
        source: the source units.
        pause: seconds between two source units.
    """
    interpreter.reset()
    counted, delays = interpreter.units, list[int]()
    yield {"source": [*map(visible, source)], "units": counted._asdict()}

    def written(over: bool) -> Iterator[Event]:
        for word in interpreter.writing(over):
            read = len(interpreter.source)
            delays.append(read)
            so_far = laal(delays, read, counted)
            yield {"word": visible(word), "read": read, "laal": so_far and so_far.value}

    for number, unit in enumerate(source, 1):
        interpreter.take(unit)
        yield {"read": number}
        yield from written(over=False)
        if interpreter.done:  # it can end before the source
            break
        if number < len(source):
            time.sleep(pause)
    yield from written(over=True)
    score = laal(delays, len(source), counted)
    value, signature = (score.value, score.signature) if score else (None, None)
    ended = interpreter.writer.ended
    yield {"end": {"laal": value, "signature": signature, "ended": ended, "note": interpreter.note}}


class Desk:
    """Translates one sentence at a time, and keeps the models that were used last in memory."""

    def __init__(self, plan: Plan, config: Path) -> None:
        """
        Args:
            plan: plan of the configuration.
            config: file of the configuration.
        """
        self.plan, self.config = plan, config
        self.busy = threading.Lock()
        """Held by the translation that is running."""
        self.models: OrderedDict[tuple[Path, str], PreTrainedModel] = OrderedDict()
        """(folder, digest of its manifest) -> model. With the digest, a model that is made again is loaded again."""

    def systems(self) -> list[dict[str, Any]]:
        """Every system, pair, seed and setting, with the command that makes its model if that does not exist yet."""
        choices = []
        for point in live.points(self.plan):
            run, (source, target) = point.run, split_pair(point.run.pair)
            label = run.system_config.label
            row = run.names | {"system": point.system, "label": "" if label in (None, point.system) else label}
            row |= {"setting": point.policy.setting, "title": run.experiment_config.title}
            row |= {"source": source, "target": target, "languages": f"{NAMES[source]} to {NAMES[target]}"}
            choices.append(row | {"missing": live.missing(run, self.config)})
        return choices

    def translate(self, request: Request) -> Iterator[Event]:
        """Yields the events of a translation, and empty events while it waits for another translation.

        Raises:
            ValueError: the request cannot be served. It is raised before the first event, unless a file of the model is
                broken.
        """
        names = (request.experiment, request.system, request.pair, request.seed)
        point = live.chosen(self.plan, *names, request.setting)
        unit = of_pair(request.pair, self.plan.experiment(request.experiment).asked).source
        source = units(request.text, unit)
        if not source:
            raise ValueError("the source is empty; write a sentence first")
        if len(source) > LONGEST:
            raise ValueError(
                f"the source has {len(source)} {unit}s, and {LONGEST} at most are translated here; shorten it"
            )
        live.check(point.run, self.config)
        return self._in_turn(point, source, request.pause)

    def _in_turn(self, point: live.Point, source: list[str], pause: float) -> Iterator[Event]:
        if not self.busy.acquire(blocking=False):
            yield {"waiting": True}
            while not self.busy.acquire(timeout=0.2):
                yield {}
        try:
            folder = live.folder(point.run)
            key = folder, sha256(folder / MANIFEST)
            if key not in self.models:
                yield {"loading": True}
            interpreter = live.interpreter(self.plan, point, self.config, self.models.pop(key, None))
            self.models[key] = interpreter.model
            while len(self.models) > KEPT:
                self.models.popitem(last=False)
            yield from translate(interpreter, source, pause)
        finally:
            self.busy.release()
