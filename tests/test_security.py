"""Nothing that a configuration, a text, a hub or an archive holds is run, or written elsewhere than it should.

Where else: files of a hub stay in their folder (test_hub.py), those of an archive too (test_sacrebleu_provider.py); a
token stays out of messages and results (test_hub.py, test_workflow.py); a page shows `<script>` as text
(test_page.py).
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.storage import read_manifest
from refusals import Bad, lay, refuse
from support.files import corpus_config

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCES = sorted((REPOSITORY / "scripts").rglob("*.py"))
ELSEWHERE = {"neural_scorer.py"}
KNOWN = {("client.py", "os.execv"), ("launch.py", "os.execv"), ("loop.py", "torch.load")}
"""Our own command line, word by word; and tensors of a checkpoint whose digest was checked."""
"""COMET's checkpoints are pickles, which its library reads with `weights_only`; the scorer names the error of that."""

FORBIDDEN = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv", "os.spawnv", "pickle.load",
    "pickle.loads", "torch.load", "joblib.load", "marshal.loads", "shelve.open", "yaml.load", "yaml.unsafe_load",
    "yaml.full_load", "tempfile.mktemp", "shutil.unpack_archive",
}  # fmt: skip
"""Calls that run what they are given, or trust it."""
MODULES = {"pickle", "cPickle", "dill", "marshal", "shelve", "joblib", "cloudpickle", "commands"}
KEYWORDS = {"shell": False, "trust_remote_code": False, "verify": True, "allow_pickle": False, "weights_only": True}
"""Keywords, and the only value they may be given."""


def _calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("path", SOURCES, ids=[path.name for path in SOURCES])
def test_no_source_runs_what_it_reads(path: Path) -> None:
    for name, call in _calls(path):
        place = f"{path.name}:{call.lineno}: {name}"
        assert name not in FORBIDDEN or (path.name, name) in KNOWN, place
        assert not name.endswith(("extractall", "unsafe_load")), place
        for keyword in call.keywords:
            if keyword.arg in KEYWORDS:
                assert ast.literal_eval(keyword.value) is KEYWORDS[keyword.arg], f"{place}({keyword.arg})"
        if re.fullmatch(r"subprocess\.\w+", name):
            assert not isinstance(call.args[0], ast.JoinedStr | ast.Constant), (
                f"{place}: a list, not a line for a shell"
            )
        if name.startswith("Auto") and name.endswith("from_pretrained"):
            assert any(keyword.arg == "trust_remote_code" for keyword in call.keywords), place
    if path.name not in ELSEWHERE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & MODULES, path.name


def test_the_test_above_sees_what_it_looks_for(tmp_path: Path) -> None:
    for text in (
        "eval('1')",
        "import subprocess\nsubprocess.run(f'ls {1}')",
        "import pickle",
        "f(trust_remote_code=True)",
    ):
        (tmp_path / "bad.py").write_text(text)
        with pytest.raises(AssertionError):
            test_no_source_runs_what_it_reads(tmp_path / "bad.py")


def test_only_known_variables_of_the_environment_are_read() -> None:
    """A secret can come from there alone, and is never kept: HF_TOKEN is left to the hub's own library."""
    found = set()
    for path in SOURCES:
        found |= set(re.findall(r"environ(?:\.get\(|\.setdefault\(|\[)\"(\w+)\"", path.read_text(encoding="utf-8")))
    assert found == {
        "CUDA_VISIBLE_DEVICES", "CXX", "DRAGOMAN_CACHE", "DRAGOMAN_CONFIG", "DRAGOMAN_DEBUG", "DRAGOMAN_NEURAL_PYTHON",
        "DRAGOMAN_RESULTS", "HF_ENDPOINT", "HF_HUB_DISABLE_PROGRESS_BARS", "HF_HUB_DOWNLOAD_TIMEOUT", "RANK",
        "SACREBLEU", "SLURM_JOB_ID", "SLURM_JOB_NODELIST", "THP_MEM_ALLOC_ENABLE", "TOKENIZERS_PARALLELISM",
        "TQDM_DISABLE", "UD_ENDPOINT", "WORLD_SIZE",
    }  # fmt: skip


def test_every_name_in_a_command_is_quoted() -> None:
    """`{wildcards.pair:q}`, never `{wildcards.pair}`; a number of threads needs no quotes."""
    holders = []
    for path in (REPOSITORY / "workflow" / "rules").glob("*.smk"):
        blocks = re.findall(r"^    shell:\n((?:        .*\n)+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        holders += [(path.name, holder) for holder in re.findall(r"(?<!\{)\{([^{}]*)\}", "".join(blocks))]
    assert len(holders) > 40
    assert [each for each in holders if not each[1].endswith(":q") and each[1] != "threads"] == []


EVIL = ["$(touch pwned).tsv", "a; touch pwned .tsv", "`touch pwned`'\".tsv", "a\ntouch pwned\n.tsv"]


@pytest.mark.parametrize("name", EVIL, ids=["substitution", "semicolon", "quotes", "newlines"])
def test_names_never_reach_a_shell_unquoted(name: str, tmp_path: Path) -> None:
    """Through Snakemake, in a folder with such a name itself: the file is read, and nothing else happens."""
    folder = tmp_path / name.removesuffix(".tsv").replace("/", "")
    config = json.loads(corpus_config({"provider": "files", "pairs": {"en-fr": {"train": {"path": name}}}}))
    config["results"] = "re sults,=@+~"
    lay(folder, {name: "en\tfr\n$(touch pwned); touch pwned\t`touch pwned`\n", "c.yaml": json.dumps(config)})
    target = f"{config['results']}/corpora/c/en-fr/manifest.json"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "1"]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [*command, "--configfile", "c.yaml", "--", target], cwd=folder, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert read_manifest((folder / target).parent)["splits"]["train"]["rows_kept"] == 1
    assert list(tmp_path.rglob("pwned*")) == []


def test_a_message_cannot_steer_the_terminal(tmp_path: Path) -> None:
    config = corpus_config({"provider": "files", "pairs": {"en-fr": {"train": {"path": "a.tsv"}}}})
    bad = Bad(
        "escapes in a header",
        "prepare.py --config c.yaml --corpus c --pair en-fr --downloads raw --out out",
        ["\\x1b]0;pwned\\x07", "\\u202e"],
        {"c.yaml": config, "a.tsv": "\x1b]0;pwned\x07\ten\u202e\n1\t2\n"},
    )
    assert "\x1b" not in refuse(bad, tmp_path)
