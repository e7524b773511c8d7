#!/usr/bin/env python3
"""Translate standard input word by word; each target word is printed as soon as it is complete.

A line is a sentence. From a terminal, words are read when the line is sent; from a pipe, when a blank follows them.
Sources in languages that write no blanks are read character by character. `--page` shows translations on a web page.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from dragoman import command
from dragoman.configfile import load_config
from dragoman.decoding import live
from dragoman.decoding.serve import serve
from dragoman.languages.units import Unit, joined
from dragoman.metrics import instances
from dragoman.plan import Plan

if TYPE_CHECKING:
    from dragoman.decoding.streaming import Interpreter


def words(stream: TextIO, unit: Unit = "word") -> Iterator[tuple[str, bool]]:
    """Yields (word, whether it is the last of its line), as soon as the next character is known; ("", True) if a line
    is empty or ends with a blank. Characters are yielded at once, each with the blank before it."""
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
    """An interpreter for the system that the command line names.

    Raises:
        ValueError: the system does not decode word by word, or its model does not exist yet.
    """
    plan = Plan(load_config(arguments.config))
    setting = f"k={arguments.k}" if arguments.k else arguments.setting
    names = (arguments.experiment, arguments.system, arguments.pair, arguments.seed)
    return live.interpreter(plan, live.chosen(plan, *names, setting or ""), arguments.config)


def translate(interpreter: Interpreter, source: TextIO, target: TextIO) -> Iterator[instances.Instance]:
    """Translate lines as they come in. Yields the words, delays and elapsed times of each line."""
    units = interpreter.units
    read: list[str] = []
    elapsed: list[float] = []
    written: list[str] = []
    began = time.monotonic()
    count = 0

    def put(new: Sequence[str]) -> None:
        for word in new:
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


def show_page(config: Path, port: int) -> None:
    """Serve the page until Ctrl-C."""
    from dragoman.decoding.watch import Desk
    from dragoman.decoding.watch_server import Server

    with Server(Desk(Plan(load_config(config)), config), port) as server:
        print(f"Open {server.address} in a browser of this machine. Ctrl-C ends the server.", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    example = (
        "echo 'The old man wants to buy a red car.' | "
        "python scripts/stream.py --experiment simulmask --system sm-norec-mod --pair en-fr --k 3"
    )
    parser = command.parser(__doc__ or "", example)
    command.add_config(parser)
    parser.add_argument("--experiment")
    parser.add_argument("--system", help="a system with the decoder `simultaneous` or `streaming`")
    parser.add_argument("--pair")
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
    parser.add_argument(
        "--page", action="store_true", help="show translations on a web page of this machine, where a system is chosen"
    )
    parser.add_argument("--port", type=int, help="port of the page (default: 8765); 0: any free port")
    arguments = parser.parse_args(argv)
    named = {f"--{name}": getattr(arguments, name) for name in ("experiment", "system", "pair")}
    if arguments.page:
        others = named | {name: getattr(arguments, name[2:]) for name in ("--k", "--setting", "--log", "--serve")}
        if given := [name for name, value in others.items() if value]:
            parser.error(f"{given[0]} does not go with --page, where the system is chosen on the page")
        show_page(arguments.config, 8765 if arguments.port is None else arguments.port)
        return
    if missing := [name for name, value in named.items() if value is None]:
        parser.error(f"the following arguments are required: {', '.join(missing)} (or --page)")
    if arguments.port is not None:
        parser.error("--port belongs to --page")
    with redirect_stdout(sys.stderr):
        interpreter = interpreter_of(arguments)
    if arguments.serve:
        serve(interpreter, sys.stdin, sys.stdout)
        return
    logged = list(translate(interpreter, sys.stdin, sys.stdout))
    if arguments.log:
        instances.write(arguments.log, logged)


if __name__ == "__main__":
    command.run(main)
