"""A program that stands for the neural scorer."""

from __future__ import annotations

FAKE = """
import json, os, sys, time
kind, model, *rest = sys.argv[1:]
say = lambda **message: print(json.dumps(message), flush=True)
if "fails" in model:
    say(error="there is no such model"); sys.exit(1)
if "dies" in model:
    sys.exit("what a library says")
needs = "unused" if "free" in model else "required"
say(found={"name": "fake", "version": os.environ.get("FAKE", "revision:1"), "packages": {"comet": "2"}})
number = 0
for line in sys.stdin:
    request = json.loads(line)
    if "load" in request:
        print("loaded", file=sys.stderr)
        say(loaded={"references": needs})
        continue
    number += 1
    texts = request["segments"]
    if "killed" in model and texts[0]["mt"] == "kill":
        os.kill(os.getpid(), 9)
    if "talks" in model:
        print("hello")
    if "refuses" in model and number == 1:
        say(error="too large")
        continue
    if "slow" in model:
        for done in range(1, len(texts)):
            time.sleep(0.02); say(done=done)
    value = float("nan") if "nan" in model else None
    say(scores=[value or len(text["mt"]) / 10 for text in texts], cut=0)
"""
