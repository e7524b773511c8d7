"""Every mistake in a configuration gives one clear message: file, line, key, value, what is allowed, what was meant."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest
import yaml

from dragoman import registry
from dragoman.config import Strict
from dragoman.configfile import ConfigError, known_models, load_config, parse, with_given
from dragoman.plan import Plan
from dragoman.yamlfile import read_yaml
from refusals import Bad, over, refuse
from support.configs import GOOD

REPOSITORY = Path(__file__).resolve().parents[1]


CHECK = "validate.py c.yaml"

MISTAKES = [
    # what is replaced, by what, and what the message must say
    (
        "provider: demo",
        "provider: dmo",
        ["c.yaml:2", "corpora.demo.provider", "'dmo'", "did you mean 'demo'", "sacrebleu"],
    ),
    ("train: 10", "trian: 10", ["c.yaml:2", "corpora.demo.trian", "did you mean 'train'"]),
    ("train: 10", "train: ten", ["corpora.demo.train = 'ten'", "integer"]),
    ("train: 10", "train: -1", ["corpora.demo.train = -1", "greater than or equal to 0"]),
    ("provider: demo, ", "", ["corpora.demo", "'provider' is required"]),
    ("corpora:\n  demo: {provider: demo, train: 10, test: 5}\n", "", ["corpora: this key is required"]),
    ("source: scratch", "source: scrach", ["models.tiny.source", "did you mean 'scratch'"]),
    ("architecture: llama", "architecture: lama", ["c.yaml:6", "models.tiny.architecture", "did you mean 'llama'"]),
    ("architecture: llama", "architecture: llama\n    width: 100", ["models.tiny", "width (100) must be a multiple"]),
    ("architecture: llama", "architecture: llama\n    layers: 0", ["models.tiny.layers = 0", "greater than 0"]),
    ("corpus: demo, languages", "corpus: dem, languages", ["models.tiny.text.corpus", "did you mean 'demo'"]),
    ("languages: [en, fr]", "languages: [en, xx]", ["models.tiny.text.languages.1 = 'xx'", "unknown language"]),
    ("languages: [en, fr]", "languages: [en, ja]", ["has no such pair", "'en-ja'"]),
    ("languages: [en, fr]", "languages: [en]", ["models.tiny.text.languages", "at least 2"]),
    ("languages: [en, fr]", "pairs: [en-fr, fr-en]", ["models.tiny.text.pairs", "is listed twice"]),
    ("languages: [en, fr]", "pairs: [en-fr], languages: [en, fr]", ["models.tiny.text", "either `languages`"]),
    ("count: 10", "count: 10, headed: 0.9", ["models.tiny.text", "must be 1, not 1.5"]),
    ("pretraining: {steps: 2}", "pretraining: {}", ["models.tiny.pretraining", "either `steps` or `epochs`"]),
    ("pretraining: {steps: 2}", "pretraining: {steps: 2, epochs: 1}", ["either `steps` or `epochs`"]),
    ("pretraining: {steps: 2}", "pretraining: {steps: true}", ["pretraining.steps = True", "integer"]),
    ("pretraining: {steps: 2}", "pretraining: {steps: 2, micro_batch: 5}", ["a multiple of micro_batch (5)"]),
    ("pretraining: {steps: 2}", "pretraining: {steps: 2, optimizer: adam}", ["optimizer", "did you mean 'adamw'"]),
    ("pretraining: {steps: 2}", "pretraining: {steps: 2, learning_rate: fast}", ["learning_rate = 'fast'", "number"]),
    ("model: tiny", "model: tinny", ["c.yaml:12", "experiments.first.model", "did you mean 'tiny'"]),
    ("prompt: simulmask", "prompt: simulmusk", ["experiments.first.prompt", "did you mean 'simulmask'"]),
    ("train: {corpus: demo", "train: {corpus: wmt", ["experiments.first.train.corpus", "unknown corpus 'wmt'"]),
    (
        "test: {corpus: demo, pairs: [en-fr]}",
        "test: {corpus: demo, pairs: [en-ja]}",
        ["test.pairs.0", "has no such pair"],
    ),
    ("test: {corpus: demo, pairs: [en-fr]}", "test: {corpus: demo, pairs: [en-en]}", ["two different languages"]),
    ("test: {corpus: demo, pairs: [en-fr]}", "test: {corpus: demo, pairs: [enfr]}", ["joined by '-'", "'enfr'"]),
    ("test: {corpus: demo, pairs: [en-fr]}", "test: {corpus: demo, pairs: []}", ["test.pairs", "at least 1"]),
    (
        "test: {corpus: demo, pairs: [en-fr]}",
        "test: {corpus: demo, pairs: [en-fr], split: validation}",
        ["has no validation split for en-fr"],
    ),
    ("test: {corpus: demo, pairs: [en-fr]}", "test: {corpus: demo, pairs: [en-fr, en-fr]}", ["is listed twice"]),
    ("method: sft", "method: stf", ["experiments.first.tunings.sft.method", "did you mean 'sft'"]),
    ("method: sft", "method: sft, options: {alpha: 1}", ["tunings.sft.options.alpha", "unknown key 'alpha'"]),
    ("method: sft", "method: sft, per_pair: maybe", ["per_pair = 'maybe'", "boolean"]),
    (
        "    train: {corpus: demo, pairs: [en-fr]}\n",
        "",
        ["experiments.first.train", "since the experiment has tunings"],
    ),
    ("tuning: sft}", "tuning: stf}", ["systems.tuned.tuning", "did you mean 'sft'"]),
    ("tuning: sft}", "tuning: sft, decoder: {name: ofline}}", ["decoder.name", "did you mean 'offline'"]),
    ("tuning: sft}", "tuning: sft, decoder: {name: offline, beem: 4}}", ["decoder.beem", "did you mean 'beam'"]),
    ("tuning: sft}", "tuning: sft, decoder: {name: copy}}", ["uses no model"]),
    ("tuning: sft}", "decoder: {name: dictionary, files: {en-fr: no.tsv}}}", ["decoder.files.en-fr", "no such file"]),
    ("tuning: sft}", "decoder: {name: dictionary, files: {}}}", ["decoder.files = 'en-fr'", "unknown pair"]),
    ("tuned: {tuning: sft}", "tuned: {tuning: sft}\n    metrics: [blue]", ["metrics.0", "did you mean 'bleu'"]),
    (
        "tuned: {tuning: sft}",
        "tuned: {tuning: sft}\n    metrics: ['chrf:word=2']",
        ["option of chrf 'word'", "word_order"],
    ),
    ("tuned: {tuning: sft}", "tuned: {tuning: sft}\n    metrics: ['chrf:2']", ["must be written as name=value"]),
    ("  first:", "  first run:", ["experiments", "a name is lower-case letters"]),
    ("corpora:", "seeds: [1, 1]\ncorpora:", ["seeds are different whole numbers"]),
    ("corpora:", "seeds: [-1]\ncorpora:", ["seeds are different whole numbers"]),
    ("corpora:", "seeds: []\ncorpora:", ["c.yaml:1", "seeds", "at least 1"]),
    ("corpora:", "seeds: [4294967296]\ncorpora:", ["seeds are different whole numbers", "below 2**32"]),
    (
        "architecture: llama",
        "architecture: llama\n    seed: -1",
        ["models.tiny.seed = -1", "greater than or equal to 0"],
    ),
    ("corpora:", '"a\\r\\nb": 1\ncorpora:', [r"a\r\nb: unknown key 'a\r\nb'"]),
    ("pretraining: {steps: 2}", "pretraining: {steps: 2, learning_rate: .inf}", ["learning_rate", "finite number"]),
    ("pretraining: {steps: 2}", "pretraining: {steps: 2, learning_rate: 2e-5}", ["'2e-5'", "text", "write 2.0e-5"]),
    ("pretraining: {steps: 2}", "pretraining: {steps: 2, weight_decay: .nan}", ["weight_decay", "finite number"]),
    ("corpora:", "results: /tmp/x\ncorpora:", ["results = '/tmp/x'", "below the working directory"]),
    ("corpora:", "results: ../x\ncorpora:", ["below the working directory"]),
    ("corpora:", "prompts: {p: {segments: [{role: source, text: x}]}}\ncorpora:", ["prompts.p.segments", "at least 2"]),
    (
        "corpora:",
        "prompts: {p: {segments: [{role: instruction, text: 'To {surce_language}'}, {role: source, text: '{source}'}, "
        "{role: target, text: '{target}'}]}}\ncorpora:",
        ["'surce_language'", "did you mean 'source_language'"],
    ),
    ("tuned: {tuning: sft}", "other: {}", ["experiments.first.tunings.sft", "no system uses this tuning"]),
    ("{provider: demo, train: 10, test: 5}", "{provider: sacrebleu, pairs: [en-fr], test: [iwslt71]}", ["'iwslt17'"]),
    (
        "{provider: demo, train: 10, test: 5}",
        "{provider: hub, dataset: a/b, revision: main, pairs: [en-fr], files: {train: '{lang}/*', test: '{config}/*'}}",
        ["unknown placeholder 'lang'", "en-fr has no entry here"],
    ),
    (
        "{provider: demo, train: 10, test: 5}",
        "{provider: files, pairs: {en-fr: {train: {path: a.md}}}}",
        ["must end in one of .tsv, .jsonl, .parquet, .tmx, .xlf, .xliff, .po"],
    ),
    ("tuned: {tuning: sft}", "tuned: {tuning: sft}\n    metrics: ['bleu:tokenize=13b']", ["metrics.0", "13b"]),
    ("prompt: simulmask", "prompt: simulmask\n    unit: words", ["c.yaml:14", "unit", "did you mean 'word'"]),
    ("prompt: simulmask", "prompt: simulmask\n    unit: {sorce: word}", ["unit.sorce", "did you mean 'source'"]),
    (
        "tuned: {tuning: sft}",
        "tuned: {tuning: sft}\n    metrics: ['al:unit=char']",
        ["metrics.0 = 'al:unit=char'", "en-fr has a delay for each word of the target", "not for each character"],
    ),
    (
        "tuned: {tuning: sft}",
        "tuned: {tuning: sft}\n    unit: {target: character}\n    metrics: ['laal:unit=word']",
        ["metrics.0", "en-fr has a delay for each character", "remove `unit`"],
    ),
    (
        "tuned: {tuning: sft}",
        "tuned: {tuning: sft}\n    metrics: ['dal:source_unit=char']",
        ["metrics.0", "in words of the source, but not for each character; remove `source_unit`"],
    ),
    (
        "tuned: {tuning: sft}",
        "tuned: {tuning: sft, decoder: {name: simultaneous, k: [1], legacy: true}}\n    unit: {source: character}",
        ["systems.tuned.decoder.legacy", "en-fr is read or written by characters"],
    ),
    (
        "method: sft",
        "method: simulmask, options: {policies: [{name: wait-k, k: 1}], unit: character, positions: plain}",
        ["tunings.sft.options", "write it under the experiment"],
    ),
    (
        "tunings:\n      sft: {method: sft",
        "unit: character\n    tunings:\n"
        "      sft: {method: simulmask, options: {positions: plain, policies: [{name: alignment}]}",
        [
            "first.unit = 'character and character'",
            "'simulmask' uses word alignments",
            "which link words to words for en-fr",
        ],
    ),
    (
        "corpora:",
        "prompts: {p: {segments: [{role: source, text: x}, {role: target, text: '{target}'}]}}\ncorpora:",
        ["prompts.p", "must hold {source} exactly once"],
    ),
]


FILES = "{provider: files, pairs: {en-fr: {train: {path: a.tsv}, columns: {COLUMNS}}}}"
PROMPT = "{segments: [{role: source, text: '{source}'}, {role: target, text: '{target}'}], names: {NAMES}}"
WORDS = [
    # what is replaced, by what, the key, the word, and what YAML reads it as
    ("languages: [en, fr]", "languages: [no, en]", "models.tiny.text.languages.0", "no", "false"),
    ("model: tiny", "model: on", "experiments.first.model", "on", "true"),
    ("model: tiny", "model: 2024-01-01", "experiments.first.model", "2024-01-01", "a date"),
    ("title: First", "title: 7", "experiments.first.title", "7", "a number"),
    ("title: First", "title: 007", "experiments.first.title", "007", "the number 7"),
    ("title: First", "title: 1_000", "experiments.first.title", "1_000", "the number 1000"),
    ("title: First", "title: 0x1F", "experiments.first.title", "0x1F", "the number 31"),
    ("title: First", "title: 12:30:00", "experiments.first.title", "12:30:00", "the number 45000"),
    ("title: First", "title: .inf", "experiments.first.title", ".inf", "the number inf"),
    ("title: First", "title: ~", "experiments.first.title", "~", "null"),
    ("steps: 2}\nexp", "steps: 010}\nexp", "models.tiny.pretraining.steps", "010", "the number 8"),
    ("steps: 2}\nexp", "steps: 2, schedule: off}\nexp", "models.tiny.pretraining.schedule", "off", "false"),
    ("provider: demo", "provider: off", "corpora.demo.provider", "off", "false"),
    ("method: sft", "method: no", "experiments.first.tunings.sft.method", "no", "false"),
    ("tuning: sft}", "tuning: off}", "experiments.first.systems.tuned.tuning", "off", "false"),
    ("tuning: sft}", "tuning: sft, label: yes}", "experiments.first.systems.tuned.label", "yes", "true"),
    ("    systems:", "    metrics: [off]\n    systems:", "experiments.first.metrics.0", "off", "false"),
    ("    systems:", "    assumptions: {A1: yes}\n    systems:", "experiments.first.assumptions.A1", "yes", "true"),
    ("corpora:", "results: 2024\ncorpora:", "results", "2024", "a number"),
    # as keys
    ("  tiny:", "  off:", "models.off", "off", "false"),
    ("  first:", "  yes:", "experiments.yes", "yes", "true"),
    ("  first:", "  2024-01-01:", "experiments.2024-01-01", "2024-01-01", "a date"),
    ("  first:", "  007:", "experiments.007", "007", "the number 7"),
    ("  first:", "  ~:", "experiments.~", "~", "null"),
    ("tuned: {", "on: {", "experiments.first.systems.on", "on", "true"),
    ("    systems:", "    assumptions: {no: x}\n    systems:", "experiments.first.assumptions.no", "no", "false"),
    ("{provider: demo, train: 10, test: 5}", FILES.replace("COLUMNS", "no: Norsk"), "columns.no", "no", "false"),
    ("{provider: demo, train: 10, test: 5}", FILES.replace("COLUMNS", "en: no"), "columns.en", "no", "false"),
    ("{provider: demo, train: 10, test: 5}", FILES.replace("a.tsv", "no"), "pairs.en-fr.train.path", "no", "false"),
    ("corpora:", f"prompts: {{p: {PROMPT.replace('NAMES', 'no: x')}}}\ncorpora:", "prompts.p.names.no", "no", "false"),
    ("method: sft", "method: sft, sweep: {axis: k, key: x, values: {on: 1, 1: 3}}", "values.on", "on", "true"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "key", "word", "read"), WORDS)
def test_word_that_yaml_misreads(old: str, new: str, key: str, word: str, read: str, tmp_path: Path) -> None:
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    with pytest.raises(ConfigError) as caught:
        load_config(_write(tmp_path, text))
    said = str(caught.value)
    assert f'YAML reads {word} as {read}; write "{word}"' in said
    assert key in said.partition("YAML")[0]
    assert re.match(rf"{re.escape(str(tmp_path))}/c\.yaml:\d+: ", said)
    quoted = text.replace(new, re.sub(rf"(?<![\w-]){re.escape(word)}(?![\w-])", f'"{word}"', new), 1)
    try:
        load_config(_write(tmp_path, quoted))
    except ConfigError as error:
        assert "YAML reads" not in str(error)


def test_words_that_yaml_reads_as_text_are_text(tmp_path: Path) -> None:
    text = GOOD.replace("title: First", "title: 1e3").replace("  tiny:", "  y:").replace("model: tiny", "model: y")
    assert load_config(_write(tmp_path, text)).experiments["first"].title == "1e3"
    for number in ("1_0", "0xA", "10"):
        assert load_config(_write(tmp_path, GOOD.replace("train: 10", f"train: {number}"))).corpora["demo"].train == 10


def test_misread_words_of_a_workflow_that_merged_its_files(tmp_path: Path) -> None:
    """Snakemake reads the file itself, by YAML's own rules."""
    path = _write(tmp_path, GOOD.replace("languages: [en, fr]", "languages: [no, en]"))
    with pytest.raises(ConfigError, match=r"c\.yaml:7: models\.tiny\.text\.languages\.0 = no: YAML reads no as false"):
        parse(yaml.safe_load(path.read_text()), [path])


def _write(folder: Path, text: str) -> Path:
    path = folder / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _called(name: str) -> str:
    """The good configuration, its experiment under another name."""
    return GOOD.replace("  first:", f"  {json.dumps(name)}:")


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
"""Ten lines that stand for ten thousand million values."""

ROWS = [
    *(
        Bad(" ".join((new or f"without {old}").split())[:70], CHECK, expected, {"c.yaml": GOOD.replace(old, new, 1)})
        for old, new, expected in MISTAKES
    ),
    *(
        Bad(what, CHECK, ["c.yaml", *said], {"c.yaml": content})
        for what, content, said in [
            ("a bracket left open", "a: [1, 2", ["c.yaml:1: not YAML"]),
            ("a list", "- a\n- b\n", ["expected keys like"]),
            ("nothing", "", ["expected keys like"]),
            ("an alias of nothing", "a: &x 1\nb: *y\n", ["c.yaml:2", "undefined alias"]),
            ("a tab for blanks", "\tcorpora: 1\n", ["c.yaml:1: not YAML"]),
            ("a Python object", "a: !!python/object/apply:os.system ['touch pwned']\n", ["c.yaml:1: not YAML"]),
            ("Latin-1", "title: café\n".encode("latin-1"), ["c.yaml:1: byte 10 (0xe9)", "iconv -f CP1252"]),
            ("UTF-16", GOOD.encode("utf-16"), ["byte 0 (0xff)", "iconv -f UTF-16 -t UTF-8 c.yaml"]),
            ("a NUL", "title: a\0b\n", ["not YAML", "control characters are not allowed"]),
            ("an alias refers to itself", "a: &a [*a]\n", ["refers to itself"]),
            ("brackets in brackets", "a: " + "[" * 5000, ["nested too deeply"]),
            ("aliases of aliases", BOMB, ["more than 200,000 keys and values"]),
            (
                "two experiments of one name",
                GOOD + GOOD[GOOD.index("  first:") :],
                ["c.yaml:20: 'first' is given twice"],
            ),
        ]
    ),
    Bad("no such file", CHECK, ["c.yaml: no such configuration file"]),
    Bad("a folder", CHECK, ["c.yaml cannot be read"], {"c.yaml/x": ""}),
    *(
        Bad(f"name {name!r}", CHECK, ["experiments", "a name is lower-case letters"], {"c.yaml": _called(name)})
        for name in (
            "a; touch pwned",
            "$(touch pwned)",
            "`id`",
            "a\nb",
            "../a",
            "a/b",
            ".a",
            "-rf",
            "a b",
            "a'b",
            "",
            "a\n",
        )
    ),
    Bad("a name of 61 letters", CHECK, ["at most 60 characters"], {"c.yaml": _called("a" * 61)}),
    *(
        Bad(
            f"results {folder!r}",
            CHECK,
            ["c.yaml:1: results", said],
            {"c.yaml": f"results: {json.dumps(folder)}\n{GOOD}"},
        )
        for folder, said in [
            ("a; touch pwned", "a folder's name may not begin with '-' and holds only"),
            ("$(touch pwned)", "a folder's name may not begin with '-' and holds only"),
            ("a\nb", "a folder's name may not begin with '-' and holds only"),
            ("{pair}", "a folder's name may not begin with '-' and holds only"),
            ("-rf", "may not begin with '-'"),
            ("a/../../b", "below the working directory"),
            (".", "below the working directory"),
            ("", "below the working directory"),
        ]
    ),
]


@over(ROWS, least=109)
def test_refused(bad: Bad, tmp_path: Path) -> None:
    refuse(bad._replace(lines=0), tmp_path)


def test_good_configuration_plans_its_runs(tmp_path: Path) -> None:
    plan = Plan(load_config(_write(tmp_path, GOOD)))
    assert [str(run.folder) for run in plan.tuning_runs] == ["results/tunings/first/sft/all/seed-1"]
    assert plan.texts_used == [plan.text("demo", "en-fr")]


def test_missing_corpus_file_is_named(tmp_path: Path) -> None:
    corpus = "{provider: files, pairs: {en-fr: {train: {path: no.tsv}, test: {source: no.en, target: no.fr}}}}"
    text = GOOD.replace("{provider: demo, train: 10, test: 5}", corpus)
    with pytest.raises(ConfigError) as caught:
        load_config(_write(tmp_path, text))
    assert str(caught.value).count("no such file") == 3


def test_every_mistake_is_reported_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("model: tiny", "model: x").replace("prompt: simulmask", "prompt: y")
    with pytest.raises(ConfigError) as caught:
        load_config(_write(tmp_path, text))
    assert len(str(caught.value).splitlines()) == 2


def test_method_that_needs_alibi_is_refused_on_rotary_positions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = ModuleType("needs_alibi")
    method.alibi = lambda options: True  # type: ignore[attr-defined]
    method.Options = type("Options", (Strict,), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "needs_alibi", method)
    monkeypatch.setitem(registry.REGISTRY["method"], "needs-alibi", "needs_alibi")
    text = GOOD.replace("method: sft", "method: needs-alibi")
    with pytest.raises(ConfigError, match="need ALiBi positions, but 'tiny' has rotary positions"):
        load_config(_write(tmp_path, text))
    load_config(_write(tmp_path, text.replace("architecture: llama", "architecture: falcon-alibi")))


@pytest.mark.parametrize("path", ["config/config.yaml", "config/smoke.yaml"])
def test_shipped_configurations(in_repository: Path, path: str) -> None:
    load_config(path)


@pytest.mark.parametrize("example", ["files", "files-gpu"])
def test_example_needs_nothing_but_its_files(in_repository: Path, tmp_path: Path, example: str) -> None:
    path = Path("config/examples") / f"{example}.yaml"
    data, _ = read_yaml(path)
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"data/([\w.-]+\.gz)", text))
    assert "train.en-fr.tsv.gz" in named
    for name in named:
        (tmp_path / name).write_bytes(gzip.compress(b"the\tle\n"))
    config = load_config(_write(tmp_path, text.replace("data/", f"{tmp_path}/")))
    assert list(config.experiments) == list(data["experiments"])


def test_schema_agrees_with_the_models(in_repository: Path) -> None:
    schema = json.loads(Path("workflow/schemas/config.schema.json").read_text(encoding="utf-8"))
    for path in [Path("config/config.yaml"), Path("config/smoke.yaml"), *Path("config/examples").glob("*.yaml")]:
        jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"corpora": {}, "nonsense": 1}, schema)


@pytest.mark.parametrize(
    ("tuning", "fault"),
    [
        ("{method: language-aware, options: {alpha: 0.1, sampler: official, directions: [en-fr]}}", ""),
        ("{method: language-aware, options: {sampler: offical}}", "'offical' is not one of"),
        ("{method: language-aware, options: {beta: 1}}", "'beta' was unexpected"),
        ("{method: preference, options: {beta: 0.2, rejected: source}}", ""),
        ("{method: preference, options: {beta: 0}}", "0 is less than or equal to the minimum"),
        ("{method: simulmask, options: {policies: [{name: wait-k, k: 3}], visibility: official, origin: 2}}", ""),
        ("{method: simulmask, options: {policies: [{name: wait-k}]}}", "not valid under any of the given schemas"),
        ("{method: simulmask, options: {policies: [{name: alignment}], positions: grup}}", "'grup' is not one of"),
        ("{method: simulmask, options: {positions: plain}}", "'policies' is a required property"),
        ("{method: simulmask}", "'options' is a required property"),
        ("{method: prefix, options: {}, sweep: {axis: p, key: options.policies, values: {a: []}}}", ""),
        ("{method: converse, options: {turn_length: [2]}}", "[2] is too short"),
        ("{method: consistency, options: {alpha: 1}}", ""),
        ("{method: sft, options: {alpha: 1}}", "'alpha' was unexpected"),
        ("{options: {alpha: 1}}", "'alpha' was unexpected"),
        ("{method: simulmusk}", "'simulmusk' is not one of"),
    ],
)
def test_schema_has_the_options_of_each_method(in_repository: Path, tuning: str, fault: str) -> None:
    """Editors check what they complete: with the keys of the tuning's own method, those of the default without one."""
    schema = json.loads(Path("workflow/schemas/config.schema.json").read_text(encoding="utf-8"))
    checker = jsonschema.Draft202012Validator({"$ref": "#/$defs/Tuning", "$defs": schema["$defs"]})
    faults = [str(error) for error in checker.iter_errors(yaml.safe_load(tuning) | {"training": {"steps": 1}})]
    assert len(faults) == bool(fault), faults
    assert not fault or fault in faults[0]


def test_keys_of_every_method_are_listed(in_repository: Path) -> None:
    text = Path("config/README.md").read_text(encoding="utf-8")
    for name in registry.names("method"):
        section = text.split(f"\n### Options of {name}\n")[1].split("\n### ")[0]
        keys = registry.module_of("method", name).Options.model_fields
        assert re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE) == list(keys)
        assert f"[{name}](#options-of-{name})" in text


def test_generated_files_are_up_to_date(in_repository: Path) -> None:
    """The JSON Schema and the conda environments have not drifted from what they are made of."""
    done = subprocess.run([sys.executable, "scripts/generate.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_validate_says_it_in_one_line(tmp_path: Path) -> None:
    bad = Bad("model", CHECK, [], {"c.yaml": GOOD.replace("model: tiny", "model: tinny")})
    assert refuse(bad, tmp_path) == (
        "c.yaml:12: experiments.first.model = 'tinny': unknown model 'tinny'; did you mean 'tiny'? "
        f"(known: tiny, {len(known_models())} in config/models.yaml)\n"
    )


def test_models_of_the_hub_are_listed_where_they_are_meant(tmp_path: Path) -> None:
    bad = Bad("model", CHECK, [], {"c.yaml": GOOD.replace("model: tiny", "model: qwen3-0.6")})
    said = refuse(bad, tmp_path)
    near = [name for name in known_models() if name.startswith("qwen3")]
    assert near and f"did you mean {near[0]!r}? (known: tiny, {near[0]}, " in said
    assert " in config/models.yaml)" in said and len(said) < 250


def test_lists_and_mappings_on_the_command_line_have_types() -> None:
    """Snakemake gives the items of `--config 'seeds=[1, 2]'` as text."""
    data = {"seeds": ["1"], "threads": 2, "models": {"m": {"seed": 1, "width": "64"}, "other": {"seed": 2}}}
    given = {
        "seeds": ["1", "2"],
        "title": "7",  # Snakemake has tried to read this as a number itself
        "models": {"m": {"width": "64", "share": "1e-4", "alibi": "true", "text": "null", "language": "no"}},
    }
    made = {"seed": 1, "width": 64, "share": 1e-4, "alibi": True, "text": None, "language": "no"}
    expected = {"seeds": [1, 2], "threads": 2, "title": "7", "models": {"m": made, "other": {"seed": 2}}}
    assert with_given(data, given) == expected
    assert with_given(data, {}) == data
