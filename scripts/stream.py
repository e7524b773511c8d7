#!/usr/bin/env python3
"""Translate while you type: words go in at standard input, their translation comes out as soon as it can be written.

A line is a sentence. From a terminal, a word is taken when the line is sent; from a pipe, when a blank follows it.
Sources in languages that write no blanks are taken character by character.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import yaml
from pydantic import ValidationError

from dragoman import command
from dragoman.config import SimultaneousDecoder
from dragoman.configfile import load_config
from dragoman.decoding import Context
from dragoman.decoding.serve import serve
from dragoman.languages.units import Unit, joined
from dragoman.metrics import instances
from dragoman.plan import Plan
from dragoman.policies import Policy
from dragoman.prompts import shots
from dragoman.strict import docstrings

if TYPE_CHECKING:
    from dragoman.decoding.streaming import Interpreter


def words(stream: TextIO, unit: Unit = "word") -> Iterator[tuple[str, bool]]:
    """(word, whether its line ends with it) of a text, each as soon as what follows it is known; ("", True) where a
    line ends after a blank or holds nothing. A character is known at once, and comes with the blank before it."""
    word, begun = "", False
    while character := stream.read(1):
        if character == "\n":
            yield word.strip(), True
            word, begun = "", False
        elif character.isspace():
            if unit == "word" and word:
                yield word, False
            word = " " if unit == "character" else ""
        else:
            word, begun = word + character, True
            if unit == "character":
                yield word, False
                word = ""
    if begun:
        yield word.strip(), True


def interpreter_of(arguments: argparse.Namespace) -> Interpreter:
    """The system that a configuration names, ready to read.

    Raises:
        ValueError: it is not decoded while it is read.
    """
    from dragoman.decoding.streaming import Interpreter  # brings torch, which --help need not wait for

    plan = Plan(load_config(arguments.config))
    name, setting = arguments.system, f"k={arguments.k}" if arguments.k else arguments.setting
    if setting and name not in plan.experiment(arguments.experiment).systems:
        name = f"{name},{setting}"  # one model for each k
    run = plan.decode_run(arguments.experiment, name, arguments.pair, arguments.seed)
    system = plan.system(run)
    if not isinstance(system.decoder, SimultaneousDecoder) or system.decoder.legacy:
        raise ValueError(f"the system {run.system!r} does not decode word by word; use one with `name: simultaneous`")
    context = Context(plan.model_behind(run), run.pair, shots.asked(plan, run), plan.experiment(run.experiment).asked)
    policy = system.decoder.policies[0]
    if setting and (name == arguments.system or setting.startswith(f"{policy.AXIS}=")):
        policy = at(policy, setting)
    return Interpreter(context, system.decoder, policy)


def at(policy: Policy, setting: str) -> Policy:
    """A policy at another point of its curve.

    Raises:
        ValueError: the setting is not of its axis, or not a value that it can have.
    """
    axis, _, value = setting.partition("=")
    if axis != policy.AXIS:
        known = f"its settings are like {policy.setting}" if policy.AXIS else "it has no settings"
        raise ValueError(f"the system reads and writes by {policy.name!r}, and {known}, not {setting}")
    try:
        return type(policy).model_validate(policy.model_dump() | {axis: yaml.safe_load(value)})
    except (ValidationError, yaml.YAMLError):
        text = docstrings(type(policy))[axis]
        raise ValueError(f"{policy.name!r} cannot have {setting}. {axis}: {text}") from None


def translate(interpreter: Interpreter, source: TextIO, target: TextIO) -> Iterator[instances.Instance]:
    """Translate lines as they come in; what was read and written, and when, of each."""
    units = interpreter.units
    read: list[str] = []
    elapsed: list[float] = []
    written: list[str] = []
    began = time.monotonic()
    count = 0

    def put(found: Sequence[str]) -> None:
        for word in found:
            target.write((" " if written and units.target == "word" else "") + word)
            written.append(word)
            elapsed.append(round(1000 * (time.monotonic() - began), 3))
        target.flush()

    for word, last in words(source, units.source):
        if not read:
            began = time.monotonic()
        if word:
            read.append(word)
            put(interpreter.read(word))
        if last:
            put(interpreter.finish())
            target.write("\n")
            target.flush()
            delays = tuple(map(float, interpreter.writer.delays))
            yield instances.Instance(
                count,
                joined(written, units.target),
                delays,
                tuple(elapsed),
                source=joined(read, units.source),
                source_length=len(read),
            )
            interpreter.reset()
            read, elapsed, written, count = [], [], [], count + 1


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    example = (
        "echo 'The old man wants to buy a red car.' | "
        "python scripts/stream.py --experiment simulmask --system sm-norec-mod --pair en-fr --k 3"
    )
    parser = command.parser(__doc__ or "", example)
    command.add_config(parser)
    parser.add_argument("--experiment", required=True)
    parser.add_argument("--system", required=True, help="a system with the decoder `simultaneous` or `streaming`")
    parser.add_argument("--pair", required=True)
    parser.add_argument("--seed", type=int, default=1)
    point = parser.add_mutually_exclusive_group()
    point.add_argument("--k", type=int, help="of wait-k: source words read before the first target word")
    point.add_argument("--setting", help="of any policy: k=3, threshold=0.6 (the system's first setting)")
    parser.add_argument(
        "--log", type=Path, help="write a SimulEval log with delays (words or characters) and elapsed times (ms)"
    )
    parser.add_argument(
        "--serve", action="store_true", help="read and write JSON lines, for scripts/simuleval_agent.py"
    )
    arguments = parser.parse_args(argv)
    with redirect_stdout(sys.stderr):
        interpreter = interpreter_of(arguments)
    if arguments.serve:
        serve(interpreter, sys.stdin, sys.stdout)
        return
    found = list(translate(interpreter, sys.stdin, sys.stdout))
    if arguments.log:
        instances.write(arguments.log, found)


if __name__ == "__main__":
    command.run(main)
