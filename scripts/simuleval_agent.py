"""A SimulEval agent for our systems: SimulEval sends words and measures times, and a process of ours translates.

SimulEval has an environment of its own (`make env-simuleval`), without torch. So this agent, which runs there, starts
`python scripts/stream.py --serve` with the Python of the main environment, and sends requests over two pipes:

    .venv-simuleval/bin/simuleval --agent scripts/simuleval_agent.py --source SRC --target REF --output DIR
        --config config/config.yaml --experiment NAME --system-name NAME --pair en-fr --k 3

The option is `--system-name`, since SimulEval reads `--system` as an abbreviation of two of its own options. For target
languages without blanks (zh, ja, th), SimulEval needs `--eval-latency-unit char`. SRC is plain text in any language.
SimulEval divides sources only at blanks, so the agent divides them itself, into characters if the language has no
blanks.

Protocol. Each request is one line with one JSON object, and so is its answer.

    {"reset": true}      begin a new sentence; not needed before the first sentence
    {"source": "word"}   the next word of the source has been read; a character includes the blank before it
    {"end": true}        the source has ended; only `reset` may follow

    {"words": ["deux", "mots"], "done": false}

    {"units": true}      has the answer {"source": "word", "target": "character"}: units of source and target
    {"divide": "text"}   has the answer {"units": ["text"]}: the source words of a text

`words` are the target words that are due after the request. `done` is true if the translation has ended, which can be
before the end of the source; further source words then add no words. After `end`, it is always true. The answer to a
request that cannot be served is {"error": "why"}, and the server ends with exit code 1. It ends with exit code 0 when
its input ends. Messages for the user go to standard error.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from pathlib import Path
from typing import Any

from simuleval.agents import TextToTextAgent
from simuleval.agents.actions import Action, ReadAction, WriteAction
from simuleval.data.dataloader import TextToTextDataloader, register_dataloader_class
from simuleval.utils import entrypoint

REPOSITORY = Path(__file__).resolve().parents[1]
LATENCY_UNITS = {"word": "word", "character": "char"}
"""Our units -> SimulEval's names."""


@entrypoint
class Agent(TextToTextAgent):
    """Passes words between SimulEval and the translator."""

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        parser.add_argument("--config", help="configuration file (default: as for scripts/stream.py)")
        parser.add_argument("--experiment", required=True)
        parser.add_argument("--system-name", required=True, help="a system of the experiment")
        parser.add_argument("--pair", required=True, help="source and target language, like en-fr")
        parser.add_argument("--seed", type=int, help="seed of the run (default: as for scripts/stream.py)")
        parser.add_argument("--k", type=int, help="of wait-k: source words read before the first target word")
        parser.add_argument("--setting", help="of any policy: k=3, threshold=0.6 (default: the system's first)")
        default = REPOSITORY / ".venv" / "bin" / "python"
        parser.add_argument(
            "--python", default=str(default), help=f"Python of the main environment (default: {default})"
        )

    def __init__(self, args: Namespace) -> None:
        """Start the translator and wait for its first answer.

        Raises:
            SystemExit: it cannot be started or does not respond, or SimulEval counts the target in another unit.
        """
        options = {"config": args.config, "experiment": args.experiment, "system": args.system_name}
        options |= {"pair": args.pair, "seed": args.seed, "k": args.k, "setting": args.setting}
        self.command = [args.python, str(REPOSITORY / "scripts" / "stream.py"), "--serve"]
        for name, value in options.items():
            self.command += [] if value is None else [f"--{name}", str(value)]
        try:
            self.translator = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
            )
        except OSError as error:
            raise SystemExit(
                f"{args.python} does not start ({error}): `make env`, or choose another --python"
            ) from None
        units = self._ask({"units": True})
        self.blank = " " if units["target"] == "word" else ""
        counted, wanted = vars(args).get("eval_latency_unit"), LATENCY_UNITS[units["target"]]
        if counted not in (None, wanted):
            raise SystemExit(
                f"this system writes {args.pair.rpartition('-')[2]} {units['target']} by {units['target']}: give "
                f"--eval-latency-unit {wanted}, not {counted}"
            )
        ask = self._ask

        class Divided(TextToTextDataloader):
            """Sources in the units that the translator reads."""

            def preprocess_source(self, source: str) -> list[str]:
                return ask({"divide": source})["units"]

        register_dataloader_class("text-to-text", Divided)
        super().__init__(args)  # calls `reset`

    def reset(self) -> None:
        super().reset()
        self.read = 0
        self._ask({"reset": True})

    def to(self, device: str, fp16: bool = False) -> None:
        """Refuse SimulEval's options `--device` and `--dtype` (by default "cpu" and float32)."""
        if device != "cpu" or fp16:
            raise SystemExit("the translator chooses its device itself; remove --device, --dtype and --fp16")

    def policy(self) -> Action:
        """Write all words that are due now in one action, since SimulEval reads a word before the next action.

        SimulEval divides the written text into words, or into characters without blanks, and gives all of them the same
        delay, the number of source words read.
        """
        words, done = [], False
        for word in self.states.source[self.read :]:
            answer = self._ask({"source": word})
            words, done = words + answer["words"], answer["done"]
        self.read = len(self.states.source)
        if self.states.source_finished and not done:
            words, done = words + self._ask({"end": True})["words"], True
        return WriteAction(self.blank.join(words), finished=done) if words or done else ReadAction()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request, and wait for its answer.

        Raises:
            SystemExit: there is no answer, or it is an error.
        """
        with suppress(BrokenPipeError):  # the translator has ended, but may have sent an error before
            print(json.dumps(request), file=self.translator.stdin, flush=True)
        line = self.translator.stdout.readline()
        command = shlex.join(self.command)
        if not line:
            raise SystemExit(f"the translator ended with exit code {self.translator.wait()}: {command}")
        try:
            answer = json.loads(line)
        except json.JSONDecodeError:
            raise SystemExit(f"the translator printed {line.strip()!r}, which is not JSON: {command}") from None
        if "error" in answer:
            raise SystemExit(f"the translator refused: {answer['error']}")
        return answer
