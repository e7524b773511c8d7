"""Decoding: nothing depends on the batch, and an interrupted job goes on to the same bytes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch

from dragoman import decoding, models, registry
from dragoman.config import CopyDecoder, DictionaryDecoder, OfflineDecoder, Prompt, Segment
from dragoman.config.decoders import brought
from dragoman.decoding import Context, Item, Journal, baselines, offline
from dragoman.methods import ParallelText
from support.trainings import PROMPT, train

COLOURS, ANIMALS = ("red", "blue", "green", "white"), ("cat", "dog", "bird", "horse", "fish")
SOURCES = [f"{c} {a} " + "so " * n + "here" for n in range(3) for c in COLOURS for a in ANIMALS]
TARGETS = [" ".join([a.upper(), *["tres"] * n, c.upper()]) for n in range(3) for c in COLOURS for a in ANIMALS]
ITEMS = [Item(i, source, target) for i, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True))][::2]


@pytest.fixture(scope="module", params=["llama", "falcon-alibi"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt a little, so that its outputs differ from sentence to sentence."""
    folder = tmp_path_factory.mktemp(request.param)
    tokenizer = models.train_tokenizer(SOURCES + TARGETS, 300)
    text = ParallelText("en-fr", SOURCES, TARGETS, [""] * len(SOURCES))
    settings = {"steps": 120, "batch_size": 30, "optimizer": "muon", "checkpoint_every": 120}  # each waits for the disk
    model, _ = train(tokenizer, folder / "work", request.param, text, **settings)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def translate(folder: Path, tmp_path: Path, **options: object) -> list[dict[str, object]]:
    settings = OfflineDecoder(**{"name": "offline", "max_new_tokens": 12} | options)
    decoder = offline.Decoder(Context(folder, "en-fr", PROMPT), settings)
    journal = Journal(tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl", "key")
    return decoding.run(ITEMS, decoder.batches(ITEMS), decoder.decode, journal, "test")


@pytest.mark.parametrize("beam", [1, 3])
def test_output_does_not_depend_on_the_batch(folder: Path, tmp_path: Path, beam: int) -> None:
    alone = translate(folder, tmp_path, batch_size=1, beam=beam)
    assert [row["id"] for row in alone] == [item.id for item in ITEMS], "rows come in the order of the test set"
    assert len({row["hypothesis"] for row in alone}) > 4, "a test of equal hypotheses would prove nothing"
    for size in (3, 64):
        assert translate(folder, tmp_path, batch_size=size, beam=beam) == alone


def test_rows_that_have_ended_leave_the_batch(folder: Path) -> None:
    decoder = offline.Decoder(Context(folder, "en-fr", PROMPT), OfflineDecoder(name="offline", max_new_tokens=12))
    passes: list[int] = []
    decoder.model.register_forward_pre_hook(
        lambda _, given, named: passes.append(len(named["input_ids"])), with_kwargs=True
    )
    lengths = sorted(row["tokens"] for (row,) in decoder.decode(ITEMS))
    assert lengths[0] < lengths[-1], "answers of equal length would prove nothing"
    assert passes[0] == len(ITEMS)
    for written, rows in enumerate(passes, 1):
        going = sum(length >= written for length in lengths)
        assert going <= rows <= going / (1 - offline.ENDED_SHARE) + 1


def test_greedy_equals_step_by_step(folder: Path, tmp_path: Path) -> None:
    """The first hypothesis, token by token, without cache, padding or `generate`."""
    tokenizer, model = models.load_tokenizer(folder), models.load(folder).eval()
    row = translate(folder, tmp_path)[3]
    ids = tokenizer(f"English to French: {ITEMS[3].source}\nAnswer:", add_special_tokens=False)["input_ids"]
    # segments are tokenised one by one; the joined text gives the same ids here because each begins a new word
    written: list[int] = []
    with torch.inference_mode():
        while len(written) < 12 and (not written or written[-1] != tokenizer.eos_token_id):
            written.append(int(model(torch.tensor([ids + written])).logits[0, -1].argmax()))
    assert row["hypothesis"] == tokenizer.decode(written, skip_special_tokens=True).strip()
    assert row["tokens"] == len(written)


def test_stop_at_newline(folder: Path, tmp_path: Path) -> None:
    decoder = offline.Decoder(Context(folder, "en-fr", PROMPT), OfflineDecoder(name="offline", stop_at_newline=True))
    newline = decoder.tokenizer("\n", add_special_tokens=False)["input_ids"]
    assert len(newline) == 1
    assert newline[0] in decoder.ends
    cat = decoder.tokenizer(" cat", add_special_tokens=False)["input_ids"]
    assert decoder._row([*cat, *newline, *cat]) == {"hypothesis": "cat", "tokens": len(cat) + 1, "ended": True}
    assert decoder._row(cat * 2)["ended"] is False
    assert decoder._row(newline)["hypothesis"] == ""


class Counting:
    """A decoder that counts, and fails when told to."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.calls, self.fail_at = 0, fail_at

    def decode(self, items: list[Item]) -> list[list[decoding.Row]]:
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        self.calls += 1
        return [[{"hypothesis": item.source.upper(), "setting": s} for s in ("k=1", "k=3")] for item in items]


def test_interrupted_decoding_goes_on(tmp_path: Path) -> None:
    batches = decoding.by_length([len(item.source) for item in ITEMS], 4)
    whole = decoding.run(ITEMS, batches, Counting().decode, Journal(tmp_path / "whole", "k"), "test")
    broken = Counting(fail_at=3)
    with pytest.raises(KeyboardInterrupt):
        decoding.run(ITEMS, batches, broken.decode, Journal(tmp_path / "j", "k"), "test")
    with (tmp_path / "j").open("ab") as file:
        file.write(b'{"batch":3,"rows":[[{"hypothesis":"HALF A LI')  # torn by a power cut
    rest = Counting()
    assert decoding.run(ITEMS, batches, rest.decode, Journal(tmp_path / "j", "k"), "test") == whole
    assert rest.calls == len(batches) - 3
    assert [row["setting"] for row in whole[:2]] == ["k=1", "k=3"]
    decoding.write(tmp_path / "a.jsonl", whole)
    assert [json.loads(line)["id"] for line in (tmp_path / "a.jsonl").open()][::2] == [item.id for item in ITEMS]


def test_batch_without_room_is_halved(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    batches = decoding.by_length([len(item.source) for item in ITEMS], 10)
    whole = decoding.run(ITEMS, batches, Counting().decode, Journal(tmp_path / "whole", "k"), "test")
    roomy = Counting()

    def decode(items: list[Item]) -> list[list[decoding.Row]]:
        if len(items) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return roomy.decode(items)

    with caplog.at_level("INFO"):
        assert decoding.run(ITEMS, batches, decode, Journal(tmp_path / "halved", "k"), "test") == whole
    assert roomy.calls == 3 * 4, "ten, then five and five, then three and two of each"
    assert "test: out of memory with 10 sentences at once; going on with 5" in caplog.text
    assert (tmp_path / "halved").read_bytes() == (tmp_path / "whole").read_bytes()

    def never(items: list[Item]) -> list[list[decoding.Row]]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        decoding.run(ITEMS, batches, never, Journal(tmp_path / "never", "k"), "test")


def test_journal_of_another_configuration_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path / "j", "one").close()
    with pytest.raises(ValueError, match="belongs to another model, test set or configuration; delete it"):
        Journal(tmp_path / "j", "two")


def test_journal_key_sees_every_input() -> None:
    base = decoding.journal_key({"a": 1}, ITEMS, "m")
    assert base == decoding.journal_key({"a": 1}, ITEMS, "m")
    others = [
        decoding.journal_key({"a": 2}, ITEMS, "m"),
        decoding.journal_key({"a": 1}, ITEMS[:-1], "m"),
        decoding.journal_key({"a": 1}, ITEMS, "n"),
    ]
    assert len({base, *others}) == 4


def test_longest_first() -> None:
    assert decoding.by_length([2, 9, 2, 5], 2) == [[1, 3], [0, 2]]
    assert decoding.by_length([], 2) == []


def test_copy() -> None:
    decoder = baselines.Decoder(Context(None, "en-fr", None), CopyDecoder(name="copy"))
    assert decoder.decode(ITEMS[:1]) == [[{"hypothesis": ITEMS[0].source}]]


def test_dictionary(tmp_path: Path) -> None:
    path = tmp_path / "d.tsv.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("en\tfr\nthe\tle\nthe\tla\ncat\tchat\nl'eau\twater\n")
    options = DictionaryDecoder(name="dictionary", files={"en-fr": str(path)})
    decoder = baselines.Decoder(Context(None, "en-fr", None), options)
    (row,) = decoder.decode([Item(0, "The cat, the (CAT) and Bob!", "")])
    assert row == [{"hypothesis": "Le chat, le (Chat) and Bob!"}]
    path = tmp_path / "bad.tsv"
    path.write_text("the\tle\ncat\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"bad.tsv:2: expected a word, a tab and its translation"):
        baselines.read_dictionary(path, "en-fr")


def test_bos_of_a_tokenizer_without_one(tmp_path: Path) -> None:
    tokenizer = models.train_tokenizer(["a b"], 300)
    prompt = Prompt(
        bos=True, segments=[Segment(role="source", text="{source}"), Segment(role="target", text=" {target}")]
    )
    from dragoman.prompts import encode

    assert encode(prompt, tokenizer, "en-fr", ["a"])[0][0].ids[0] == tokenizer.eos_token_id


@pytest.mark.parametrize("module", ["dragoman.text", "dragoman.methods.sft"])
def test_a_registered_decoder_needs_options_of_its_name(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """One module without options, and one with options of something else."""
    monkeypatch.setitem(registry.REGISTRY["decoder"], "mine", module)
    with pytest.raises(TypeError, match=rf"{module} needs a class `Options\(DecoderOptions\)`.*Literal\['mine'\]"):
        brought()
