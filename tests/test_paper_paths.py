"""The papers' own configurations driven end to end, on a hub of our own that holds what they name, in its layout.

The configurations are those of config/papers; what lies over them makes runs short and leaves the rest alone. So on a
machine with a network nothing is new but size.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

import paper_repositories as papers
from dragoman import corpora, models
from dragoman.config import HubCorpus, RefinedPrior, SacrebleuCorpus
from dragoman.configfile import load_config
from dragoman.languages.spelling import cut, pairs
from dragoman.metrics import neural, parse
from dragoman.plan import Plan
from dragoman.prompts import encode, joined, render
from dragoman.prompts.shots import with_shots
from dragoman.results import records
from dragoman.storage import read_jsonl, read_manifest
from hub_server import Hub

REPOSITORY = Path(__file__).resolve().parents[1]
CONFIGS = {path.stem: path for path in sorted((REPOSITORY / "config" / "papers").glob("*.yaml"))}
PLANS = {name: Plan(load_config(path)) for name, path in CONFIGS.items()}
SHORT = {"epochs": None, "steps": 2, "batch_size": 8, "micro_batch": 4}
"""A training of two steps."""


def measured(paper: str, experiment: str) -> list[str]:
    """The metrics of an experiment, without those that are networks; the language identifier needs no download."""
    own = [each for each in PLANS[paper].experiment(experiment).metrics if parse(each)[0] not in neural.METRICS]
    return [each.replace("model=lid.176.bin,", "") for each in own]


def snakemake(folder: Path, config: Path, over: dict[str, Any], *targets: str) -> None:
    """Make targets in `folder`, by a paper's configuration and what lies over it."""
    (folder / "over.yaml").write_text(yaml.safe_dump(over), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "1"]
    done = run([*command, "--configfile", str(config), "over.yaml", "--", *targets], folder)
    assert done.returncode == 0, done.stderr[-5000:]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


def fetch(folder: Path, config: Path, model: str) -> subprocess.CompletedProcess[str]:
    """Bring a model into the results, as the rule does."""
    script = str(REPOSITORY / "scripts" / "fetch_model.py")
    return run([sys.executable, script, "--config", str(config), "--model", model], folder)


def saved(repository: dict[str, bytes], folder: Path) -> Path:
    """A repository's files in a folder."""
    folder.mkdir(parents=True)
    for name, content in repository.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("paper", CONFIGS)
def test_jobs_read_what_was_configured(paper: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs read the file that Snakemake saves, small learning rates included."""
    monkeypatch.chdir(tmp_path)
    assert Plan(load_config(PLANS[paper].save())).digest == PLANS[paper].digest


# --------------------------------------------------------------------------------------------- SimulMask, falcon-rw-1b


@pytest.mark.workflow
def test_simulmask(hub: Hub, tmp_path: Path) -> None:
    """Falcon-RW-1B is refused as the pickle it is; converted as the message says, it goes all the way."""
    falcon = papers.falcon_rw_1b()
    hub.add("model", "tiiuae/falcon-rw-1b", falcon, papers.FALCON)
    papers.iwslt2017(hub, ["en-fr"])
    done = fetch(tmp_path, CONFIGS["simulmask"], "falcon-rw-1b")
    assert done.returncode == 1
    assert "pytorch_model.bin" in done.stderr and "source: local" in done.stderr
    assert not hub.gets(".bin") and not hub.gets(".py")

    from transformers import AutoModelForCausalLM, AutoTokenizer

    pickled = saved(falcon, tmp_path / "pickled")
    for kind in (AutoModelForCausalLM, AutoTokenizer):
        kind.from_pretrained(pickled).save_pretrained(tmp_path / "models" / "falcon-rw-1b")
    config = local(tmp_path)
    tuning = "tunings/simulmask/sm-modified,k=3/en-fr/seed-42"
    system = "simulmask/sm-norec-mod,k=3/en-fr/seed-42"
    short = {"tunings": {"sm-modified": {"training": SHORT}}, "test": {"limit": 4}}
    short["metrics"] = measured("simulmask", "simulmask")
    over = {"threads": 1, "experiments": {"simulmask": short}}
    snakemake(tmp_path, config, over, f"results/simulmask/scores/{system}.jsonl")

    results = tmp_path / "results" / "simulmask"
    assert read_manifest(results / tuning)["spec"]["options"]["policies"] == [{"name": "wait-k", "k": 7}]
    rows = read_jsonl(results / "decodes" / system / "hypotheses.jsonl")
    assert [row["source"] for row in rows] == [papers.text("en", n) for n in range(40, 44)]
    assert all(row["setting"] == "k=3" and row["hypothesis"] for row in rows)
    assert all(len(row["delays"]) == len(row["hypothesis"].split()) for row in rows)
    found = {record.metric: record for record in records.read(results / "scores" / f"{system}.jsonl")}
    assert {"bleu", "laal", "gflops"} <= found.keys()
    assert all(record.n == 4 for record in found.values())


def local(folder: Path) -> Path:
    """simulmask.yaml with the model in a folder, by the lines that stand commented in it."""
    lines = CONFIGS["simulmask"].read_text(encoding="utf-8").split("\n")
    first, last = lines.index("  falcon-rw-1b:"), lines.index("    parameters: 1311625216")
    asked = [line.replace("    #   ", "    ") for line in lines if line.startswith("    #   ")]
    path = folder / "simulmask.yaml"
    path.write_text("\n".join([*lines[: first + 1], *asked, *lines[last + 1 :]]), encoding="utf-8")
    return path


# ------------------------------------------------------------------------------- language-aware tuning, Llama-2-7b-hf


@pytest.mark.workflow
def test_language_aware_tuning(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Llama-2 is gated: without a token it is said what to do; with one, both stages, and a zero-shot direction."""
    hub.add("model", "meta-llama/Llama-2-7b-hf", papers.llama_2_7b_hf())
    hub.gated["meta-llama/Llama-2-7b-hf"] = "hf_right"
    done = fetch(tmp_path, CONFIGS["langaware-revised"], "llama-2-7b")
    assert done.returncode == 1
    for said in ("meta-llama/Llama-2-7b-hf", "accept the licence", "HF_TOKEN is not set"):
        assert said in done.stderr
    assert "Traceback" not in done.stderr
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "HF_TOKEN is set, but" in fetch(tmp_path, CONFIGS["langaware-revised"], "llama-2-7b").stderr

    monkeypatch.setenv("HF_TOKEN", "hf_right")
    wmt(tmp_path, monkeypatch)
    short = {"training": SHORT}
    system = {"decoder": {"max_new_tokens": 12}}
    over = {
        "threads": 1,
        "experiments": {
            "wmt-llama-2-7b": {
                "train": {"pairs": ["en-de", "de-en"]},
                "test": {"limit": 4},
                "tunings": {"mt": short, "ours": short},
                "systems": {"ours": system},
                "metrics": measured("langaware-revised", "wmt-llama-2-7b"),
            }
        },
    }
    score = "results/langaware-revised/scores/wmt-llama-2-7b/ours/fr-de/seed-42.jsonl"
    snakemake(tmp_path, CONFIGS["langaware-revised"], over, score)

    results = tmp_path / "results" / "langaware-revised"
    assert (results / "models" / "llama-2-7b" / "model-00002-of-00002.safetensors").is_file()
    assert not hub.gets(".bin")
    first, second = (
        read_manifest(results / "tunings" / "wmt-llama-2-7b" / name / "all" / "seed-42") for name in ("mt", "ours")
    )
    assert first["examples"] == second["examples"] == {"made": 96, "kept": 96}, "8 + 8 + 16 + 16, both ways"
    assert second["made_from"]["model"] != first["made_from"]["model"], "the second stage goes on from the first"
    rows = read_jsonl(results / "decodes" / "wmt-llama-2-7b" / "ours" / "fr-de" / "seed-42" / "hypotheses.jsonl")
    assert [row["reference"] for row in rows] == [papers.text("de", n) for n in range(400, 404)]
    found = {record.metric: record for record in records.read(tmp_path / score)}
    assert set(measured("langaware-revised", "wmt-llama-2-7b")) == found.keys()
    assert "|model:lid.176.ftz(8f3472cfe873)|langs:all|empty:asked|" in found[list(found)[1]].signature


def wmt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """WMT as sacrebleu has fetched it, and its tokenizers' files; nothing of it leads to a network."""
    monkeypatch.setenv("SACREBLEU", str(folder / "sacrebleu"))
    sets = {f"wmt{year}": ["en-de", "de-en"] for year in (17, 18, 19, 20)} | {"wmt22": ["fr-de", "en-cs"]}
    papers.sacrebleu_cache(folder / "sacrebleu", sets, {"wmt22": ("ref-A", "ref-B")})


# ------------------------------------------------------------------------------------ PreTTY, Mistral-7B and NLLB-600M


@pytest.mark.workflow
def test_prior_tokens(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A twin by an adapter; then the foundation model goes on from the twin's tokens, and from those of NLLB."""
    add_pretty(hub)
    monkeypatch.setenv("SACREBLEU", str(tmp_path / "sacrebleu"))
    (tmp_path / "sacrebleu" / "models").mkdir(parents=True)
    (tmp_path / "sacrebleu" / "models" / "sacrebleu_tokenizer_spm.model").write_bytes(papers.LLAMA_PIECES)
    shorter = {"decoder": {"max_new_tokens": 8, "n": [0, 1]}}
    over = {
        "threads": 1,
        "experiments": {
            "pretty-mistral": {
                "train": {"pairs": ["en-fr", "en-de"]},
                "test": {"limit": 4},
                "tunings": {"twin": {"training": SHORT}},
                "systems": {"sft": shorter, "refined": shorter},
                "metrics": measured("pretty", "pretty-mistral"),
            }
        },
    }
    kinds = ("sft", "refined")
    results = tmp_path / "results" / "pretty"
    targets = [f"results/pretty/scores/pretty-mistral/{kind}/en-fr/seed-42.jsonl" for kind in kinds]
    snakemake(tmp_path, CONFIGS["pretty"], over, *targets)

    tokenizer = models.load_tokenizer(results / "models" / "mistral-7b")
    for kind in kinds:
        rows = read_jsonl(results / "decodes" / "pretty-mistral" / kind / "en-fr" / "seed-42" / "hypotheses.jsonl")
        assert [row["setting"] for row in rows] == ["n=0", "n=1"] * 4
        given = [row for row in rows if row["setting"] == "n=1"]
        assert any(row["prior_tokens"] == 1 for row in given)
        for row in given:
            assert row["prior"] == tokenizer.decode(row["prior_ids"], skip_special_tokens=True)
            if row["prior"].strip().isalpha():  # else it may be a byte, which what follows makes a character of
                assert row["hypothesis"].startswith(row["prior"].strip())
        (first, *_) = records.read(results / "scores" / "pretty-mistral" / kind / "en-fr" / "seed-42.jsonl")
        assert (first.metric, "tok:flores101" in first.signature) == ("bleu:tokenize=flores101", True)


def add_pretty(hub: Hub) -> None:
    """What pretty.yaml fetches, but for the treebanks."""
    config = PLANS["pretty"].config
    flores, crosssum = config.corpora["flores101"], config.corpora["crosssum"]
    assert isinstance(flores, HubCorpus) and isinstance(crosssum, HubCorpus)
    papers.flores(hub, flores.dataset, flores.columns)
    papers.crosssum(hub, crosssum.configs)
    hub.add("model", "mistralai/Mistral-7B-v0.1", papers.mistral_7b())
    hub.add("model", "facebook/nllb-200-distilled-600M", papers.nllb_600m(nllb().codes.values()), "refs/pr/39")


def nllb() -> RefinedPrior:
    """The prior that pretty.yaml takes from NLLB."""
    prior = PLANS["pretty"].experiment("pretty-llama-2").systems["refined"].decoder.prior  # type: ignore[union-attr]
    assert isinstance(prior, RefinedPrior)
    return prior


def test_nllb_is_asked_as_its_authors_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source's language, its tokens and the end; the answer begins with the target's language."""
    from transformers import M2M100ForConditionalGeneration

    from dragoman.decoding import Item, priors

    folder = saved(papers.nllb_600m(nllb().codes.values()), tmp_path / "nllb")
    seen: list[dict[str, Any]] = []
    generate = M2M100ForConditionalGeneration.generate

    def spy(self: Any, **given: Any) -> Any:
        seen.append(given | {"written": generate(self, **given)})
        return seen[-1]["written"]

    monkeypatch.setattr(M2M100ForConditionalGeneration, "generate", spy)
    texts = priors._of_task_model(nllb().model_copy(update={"model": str(folder)}), "en-fr")
    answers = texts([Item(0, papers.text("en", 1), ""), Item(1, "Red.", "")])
    tokenizer = models.load_tokenizer(folder)
    first, second = (tokenizer.convert_ids_to_tokens(row.tolist()) for row in seen[0]["input_ids"])
    assert (first[0], first[-1], second[0]) == ("eng_Latn", "</s>", "eng_Latn")
    assert "".join(first[1:-1]).replace("▁", " ").strip() == papers.text("en", 1)
    assert second[second.index("</s>") + 1 :] == ["<pad>"] * (len(first) - second.index("</s>") - 1)
    written = [tokenizer.convert_ids_to_tokens(row.tolist()) for row in seen[0]["written"]]
    assert all(row[:2] == ["</s>", "fra_Latn"] for row in written)
    assert all("fra_Latn" not in answer for answer in answers)


# ----------------------------------------------------------------------------------------------------- what models read


ALPACA = (
    "Below is an instruction that describes a task, paired with an input that provides further context. Write a "
    "response that appropriately completes the request.\n\n### Instruction:\nTranslate the following sentences from "
    "French to German.\n\n### Input:\n{source}\n\n### Response:{target}"
)
"""As LanguageAware_Tuning's train.py fills it in."""
PROMPTS = {
    "simulmask": (
        "en-fr",
        "Translate the following sentence from English to French: {source}\nAssistant: {target}",
    ),
    "langaware-revised": ("fr-de", ALPACA),
    "langaware-v1": ("fr-de", ALPACA),
    "pretty": ("en-fr", "English: {source}\nFrench: {target}"),
}
SENTENCES = [("Anna wants  3 cars.\nNow: «é» 好.", "Anna veut 3 voitures, 好."), (papers.text("fr", 3), " « 3,5 » ")]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of the papers' models, by the model's type."""
    folder = tmp_path_factory.mktemp("tokenizers")
    repositories = {"falcon": papers.falcon_rw_1b, "llama": papers.llama_2_7b_hf, "mistral": papers.mistral_7b}
    return {name: models.load_tokenizer(saved(made(), folder / name)) for name, made in repositories.items()}


@pytest.mark.parametrize("paper", PROMPTS)
def test_prompts_are_the_papers_own(paper: str, tokenizers: dict[str, Any]) -> None:
    """Token for token what a paper's own code feeds, which encodes the whole text at once; sentencepiece itself says
    what that is for Llama's tokenizer."""
    import sentencepiece

    plan = PLANS[paper]
    experiment = next(each for name, each in plan.config.experiments.items() if not name.startswith("iwslt"))
    pair, wanted = PROMPTS[paper]
    prompt = plan.prompts[experiment.prompt_name(None)]
    own = sentencepiece.SentencePieceProcessor(model_proto=papers.LLAMA_PIECES)
    for name in ["falcon"] if paper == "simulmask" else ["llama", "mistral"]:
        tokenizer = tokenizers[name]
        for source, target in SENTENCES:
            whole = wanted.format(source=source, target=target)
            (pieces,) = encode(prompt, tokenizer, pair, [source], [target])
            assert "".join(text for _, text in render(prompt, pair, source, target)) == whole
            if name == "falcon":  # GPT-2's; no beginning-of-sequence token
                expected = [*tokenizer(whole)["input_ids"], tokenizer.eos_token_id]
            else:
                expected = [1, *own.encode(whole), 2]
            assert joined(pieces) == expected
            (asked,) = encode(prompt, tokenizer, pair, [source])
            assert joined(asked) == joined(pieces[:-1]), "decoding is asked what training was"


def test_demonstrations_are_one_text(tokenizers: dict[str, Any]) -> None:
    """Two examples before the sentence, as one text: no blanks come in between."""
    import sentencepiece

    plan = PLANS["langaware-revised"]
    prompt = plan.prompts[plan.experiment("wmt-llama-2-7b").prompt_name(None)]
    shown = with_shots(prompt, "fr-de", [("un", "eins"), ("deux", "zwei")])
    (pieces,) = encode(shown, tokenizers["llama"], "fr-de", ["trois"])
    text = "\n".join(ALPACA.format(source=s, target=t) for s, t in (("un", "eins"), ("deux", "zwei"), ("trois", "")))
    own = sentencepiece.SentencePieceProcessor(model_proto=papers.LLAMA_PIECES)
    assert joined(pieces) == [1, *own.encode(text)]


@pytest.mark.parametrize("name", ["falcon", "llama"])
@pytest.mark.parametrize("paper", ["simulmask", "langaware-revised", "pretty"])
def test_words_are_cut_out_of_the_same_tokens(paper: str, name: str, tokenizers: dict[str, Any]) -> None:
    """Masks, prefixes and the simultaneous decoder find the words of the very prompt that is trained on."""
    plan, tokenizer = PLANS[paper], tokenizers[name]
    experiment = next(iter(plan.config.experiments))
    prompt = plan.prompts[plan.experiment(experiment).prompt_name(None)]
    sources, targets = (list(side) for side in zip(*SENTENCES, strict=True))
    sources, targets = ([" ".join(line.split()) for line in side] for side in (sources, targets))
    whole = encode(prompt, tokenizer, "en-fr", sources, targets)
    assert [each.ids for each in pairs(prompt, tokenizer, "en-fr", sources, targets)] == [*map(joined, whole)]
    found = cut(prompt, tokenizer, "en-fr", sources)
    for each, pieces, source in zip(found, whole, sources, strict=True):
        assert [*each.context, *each.mark] == joined(pieces[:-1])
        assert [tokenizer.decode(word).strip() for word in each.source] == source.split()


# --------------------------------------------------------------------------------------------------- text of the papers


def prepared(paper: str, corpus: str, pair: str, folder: Path) -> Path:
    """Text of a paper's configuration, fetched and checked."""
    wanted = PLANS[paper].config.corpora[corpus]
    corpora.fetch(wanted, pair, folder / "raw" / corpus / pair)
    corpora.prepare(wanted, pair, folder / "raw" / corpus / pair, folder / corpus / pair)
    return folder / corpus / pair


def test_crosssum(hub: Hub, tmp_path: Path) -> None:
    """Articles on one line, the first 400 words of each; summaries in the other language."""
    add_pretty(hub)
    table = corpora.load(prepared("pretty", "crosssum", "en-fr", tmp_path), "test")
    assert [len(source.split()) for source in table["source"].to_pylist()] == [400] * 4
    assert table["target"].to_pylist() == [papers.text("fr", n) for n in range(22, 26)]
    assert all("\n" not in source for source in table["source"].to_pylist())


def test_flores_lines_keep_their_numbers(hub: Hub, tmp_path: Path) -> None:
    """Demonstrations are named by line, in every pair the same."""
    wanted = PLANS["langaware-revised"].config.corpora["flores"]
    assert isinstance(wanted, HubCorpus)
    papers.flores(hub, wanted.dataset, wanted.columns)
    for pair in ("en-de", "de-en"):
        table = corpora.load(prepared("langaware-revised", "flores", pair, tmp_path), "validation")
        assert table["source"].to_pylist() == [papers.text(pair[:2], n) for n in range(24)]


def test_reference_of_wmt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A, but B where Czech is a side, as record_results.py has it."""
    wmt(tmp_path, monkeypatch)
    assert isinstance(PLANS["langaware-revised"].config.corpora["wmt22"], SacrebleuCorpus)
    for pair, reference in (("fr-de", "ref:A"), ("en-cs", "ref:B")):
        made_from = read_manifest(prepared("langaware-revised", "wmt22", pair, tmp_path))["raw"]
        assert made_from["references"] == {"wmt22": reference}


def test_columns_are_those_of_the_pages(hub: Hub) -> None:
    """The layouts here are read by the globs of the configurations, and by nothing wider."""
    add_pretty(hub)
    made = hub.repositories["dataset", "gsarti/flores_101"]["refs/convert/parquet"]
    assert sorted(made) == ["all/dev/0000.parquet", "all/devtest/0000.parquet"]
    assert "sentence_zho_simpl" in pq.ParquetFile(io.BytesIO(made["all/dev/0000.parquet"])).schema_arrow.names
