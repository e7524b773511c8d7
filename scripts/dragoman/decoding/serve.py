"""An interpreter behind a pipe, for programs whose packages do not go with ours.

`scripts/simuleval_agent.py` describes the protocol and is its first user.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from typing import Any, Protocol, TextIO

from dragoman.languages.units import Units, units


class Interpreter(Protocol):
    """What translates word by word, one sentence after the other."""

    units: Units
    """What a word is, on either side."""

    def reset(self) -> None:
        """Forget the sentence and wait for another."""

    def read(self, word: str) -> list[str]:
        """Take in a source word; the target words written because of it."""

    def finish(self) -> list[str]:
        """The source is over; the rest of the translation."""

    @property
    def done(self) -> bool:
        """Whether the translation is over, which it may be before its source is."""


def serve(interpreter: Interpreter, stdin: Iterable[str], stdout: TextIO) -> None:
    """Answer requests, one JSON object a line, until they end. What libraries print goes to standard error.

    Raises:
        ValueError: a request that is none, comes at the wrong time, or is refused by the interpreter; it has been
            answered with the same message, which holds its number and its text.
    """
    over = False
    with redirect_stdout(sys.stderr):
        for number, line in enumerate(stdin, 1):
            words: list[str] = []
            try:
                match _request(line):
                    case {"reset": True}:
                        interpreter.reset()
                        over = False
                    case {"units": True}:
                        _answer(stdout, interpreter.units._asdict())
                        continue
                    case {"divide": str(text)}:
                        _answer(stdout, {"units": units(text, interpreter.units.source)})
                        continue
                    case {"source": str()} | {"end": True} if over:
                        raise ValueError('this source is over: {"reset": true} begins another')
                    case {"source": str(word)}:
                        words = interpreter.read(word)
                    case {"end": True}:
                        words, over = interpreter.finish(), True
                    case _:
                        raise ValueError(
                            'a request is {"source": "word"}, {"end": true}, {"reset": true}, {"divide": "text"} or '
                            '{"units": true}'
                        )
            except ValueError as error:
                message = f"request {number}, {line.strip()}: {error}"
                _answer(stdout, {"error": message})
                raise ValueError(message) from error
            _answer(stdout, {"words": words, "done": interpreter.done})


def _request(line: str) -> dict[str, Any] | None:
    """The object of a line; None if it is something else, or has not exactly one key."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON ({error})") from None
    return found if isinstance(found, dict) and len(found) == 1 else None


def _answer(stdout: TextIO, answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=stdout, flush=True)
