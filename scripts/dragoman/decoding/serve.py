"""A server for an interpreter over a pipe, for programs whose packages conflict with ours.

`scripts/simuleval_agent.py` describes the protocol and uses it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from typing import Any, Protocol, TextIO

from dragoman.languages.units import Units, units


class Interpreter(Protocol):
    """An object that translates word by word, one sentence after the other."""

    units: Units
    """Units of source and target."""

    def reset(self) -> None:
        """Begin a new sentence."""

    def read(self, word: str) -> list[str]:
        """Read a source word. Returns the target words that are due after it."""

    def finish(self) -> list[str]:
        """End the source. Returns the rest of the translation."""

    @property
    def done(self) -> bool:
        """Whether the translation has ended; it can end before the source."""


def serve(interpreter: Interpreter, stdin: Iterable[str], stdout: TextIO) -> None:
    """Answer requests, one JSON object per line, until the input ends. Output of libraries goes to standard error.

    Raises:
        ValueError: a request is invalid, out of order, or refused by the interpreter. The message, with the number and
            text of the request, has also been sent as the answer.
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
    """The JSON object of a line; None if it is no object with exactly one key."""
    try:
        request = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON ({error})") from None
    return request if isinstance(request, dict) and len(request) == 1 else None


def _answer(stdout: TextIO, answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=stdout, flush=True)
