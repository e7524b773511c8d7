"""The papers' numbers: all there, consistent with each other, and a loader that lets nothing slip."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from dragoman.results import comparable, published
from dragoman.results.published import COLUMNS, IDENTITY, MEAN, Published, key, load, read
from dragoman.results.records import Record
from refusals import Bad, over, refuse

PAIRS = ("en-de", "en-fr", "en-it", "en-nl", "en-ro")
CURVES = ("sm-norec-mod", "sm-norec", "prefix-rec", "prefix-norec", "causal-rec")
WMT = ("en-cs", "cs-en", "en-ja", "ja-en", "en-ru", "ru-en", "en-uk", "uk-en", "fr-de", "de-fr")
IWSLT = {
    "v1": ("de-zh", "zh-de", "ko-zh", "zh-ko", "ko-de", "de-ko"),
    "revised": ("it-nl", "nl-it", "it-ro", "ro-it", "nl-ro", "ro-nl"),
}
SYSTEMS = {"foundation", "mt", "post-ins", "ptl", "1-shot", "5-shot", "ours"}
PAPERS = tuple(comparable.load().papers)


def select(numbers: Iterable[Published], **wanted: object) -> list[Published]:
    return [n for n in numbers if all(getattr(n, name) == value for name, value in wanted.items())]


def only(numbers: Iterable[Published], **wanted: object) -> Published:
    (found,) = select(numbers, **wanted)
    return found


# --------------------------------------------------------------------------------------------------------- SimulMask


def curve(pair: str, system: str, version: str = "emnlp") -> list[tuple[float, float]]:
    """(LAAL, BLEU) of a system, in the order of its settings."""
    mine = select(load("simulmask"), pair=pair, system=system, version=version, quantity="score")
    points = {setting: {} for setting in sorted({n.setting for n in mine} - {"k=mean"})}
    for number in mine:
        if number.setting in points:
            points[number.setting][number.metric] = number.value
    return [(point["laal"], point["bleu"]) for point in points.values()]


def test_simulmask_is_complete() -> None:
    numbers = load("simulmask")
    points = Counter(
        (n.pair, n.system, n.metric) for n in numbers if n.version == "emnlp" and n.pair and n.sure != "derived"
    )
    expected = {(pair, system, metric): 4 for pair in PAIRS for system in CURVES for metric in ("bleu", "laal")}
    expected |= {(pair, "converse-norec", metric): 6 for pair in PAIRS for metric in ("bleu", "laal")}
    expected |= {(pair, "causal-offline", "bleu"): 1 for pair in PAIRS}
    assert points == expected
    for system in CURVES:
        settings = {n.setting for n in select(numbers, version="emnlp", system=system, metric="laal")}
        assert settings == {"k=1", "k=3", "k=5", "k=7"}
    assert Counter(n.version for n in numbers if n.version != "emnlp") == {"first-run": 8, "issue-14": 2}
    assert Counter(n.metric for n in numbers if not n.pair) == {"seconds": 4 + 4, "gflops": 4 * 5 + 5 + 2}
    assert len(numbers) == 335


def test_simulmask_cell_known_from_the_paper() -> None:
    cell = {n.metric: n for n in select(load("simulmask"), sure="table", system="sm-norec-mod")}
    assert {n.setting + n.pair for n in cell.values()} == {"k=5en-nl"}
    assert (cell["bleu"].value, cell["laal"].value) == (29.13, 5.13)
    assert {n.error for n in cell.values()} == {0}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("system", [*CURVES, "converse-norec"])
def test_latency_grows_with_the_lag(pair: str, system: str) -> None:
    delays = [laal for laal, _ in curve(pair, system)]
    assert delays == sorted(set(delays)) and len(delays) in (4, 6)


@pytest.mark.parametrize("pair", PAIRS)
def test_simulmask_derived_means(pair: str) -> None:
    bleu = {system: [bleu for _, bleu in curve(pair, system)] for system in CURVES}
    derived = select(load("simulmask"), pair=pair, sure="derived")
    assert only(derived, quantity="score").value == pytest.approx(fmean(bleu["sm-norec-mod"]), abs=0.0051)
    leads = {n.against: n.value for n in select(derived, quantity="difference")}
    assert set(leads) == set(CURVES) - {"sm-norec-mod"}
    for system, lead in leads.items():
        assert lead == pytest.approx(fmean(bleu["sm-norec-mod"]) - fmean(bleu[system]), abs=0.0051)


@pytest.mark.parametrize("pair", PAIRS)
def test_simulmask_shape_of_the_curves(pair: str) -> None:
    """What the figures show, and a transposed row or column would not."""
    ours, converse = curve(pair, "sm-norec-mod"), curve(pair, "converse-norec")
    (x0, y0), (x1, y1) = ours[:2]
    delay, bleu = converse[1]
    assert x0 < delay < x1
    assert 1.1 <= round(bleu - (y0 + (y1 - y0) * (delay - x0) / (x1 - x0)), 1) <= 2.6
    assert 1 <= round(ours[-1][1] - converse[-1][1], 1) <= 2.3
    for system in ("causal-rec", "prefix-norec"):
        assert all(mine > theirs for (_, mine), (_, theirs) in zip(ours[:2], curve(pair, system)[:2], strict=True))


def test_simulmask_costs() -> None:
    numbers = select(load("simulmask"), version="emnlp", pair="")
    boxes = defaultdict(list)
    for n in select(numbers, table="inference cost", quantity="score"):
        boxes[n.system].append(n.value)
    assert len(boxes) == 4
    assert all(box == sorted(set(box)) and len(box) == 5 for box in boxes.values())
    ratios = select(numbers, quantity="ratio")
    assert len(ratios) == 6
    for n in ratios:
        over, under = (
            only(numbers, quantity="score", metric=n.metric, setting=n.setting, system=system).value
            for system in (n.system, n.against)
        )
        assert n.value == pytest.approx(over / under, abs=n.error)


# ---------------------------------------------------------------------------------------------------- language-aware


def directions(version: str, table: str) -> tuple[str, ...]:
    return WMT if table == "Table 1" else IWSLT[version]


def langaware_rows() -> dict[tuple[str, str, str, str, str], dict[str, Published]]:
    """(version, table, model, metric, system) -> numbers by direction."""
    rows: dict[tuple[str, str, str, str, str], dict[str, Published]] = defaultdict(dict)
    for n in select(load("langaware"), sure="table"):
        rows[n.version, n.table, n.model, n.metric, n.system][n.pair] = n
    return rows


def test_langaware_is_complete() -> None:
    rows = langaware_rows()
    blocks = defaultdict(set)
    for (version, table, model, metric, system), cells in rows.items():
        assert set(cells) == {*directions(version, table), MEAN}
        blocks[version, table, model, metric].add(system)
    assert set(blocks) == {
        *(("v1", table, "llama-7b", m) for table in ("Table 1", "Table 2") for m in ("bleu", "offtarget", "bleurt")),
        *(
            ("revised", table, model, metric)
            for table in ("Table 1", "Table 2")
            for model in ("llama-2-7b", "llama-3-8b")
            for metric in ("bleu", "offtarget")
        ),
    }
    for (version, *_), systems in blocks.items():
        assert systems == SYSTEMS | {"c-lang" if version == "v1" else "c-src-lang"}
    assert sum(map(len, rows.values())) == 7 * 8 * 11 + 7 * 8 * 7
    assert len(select(load("langaware"), table="abstract")) == 5
    assert len(select(load("langaware"), sure="derived")) == 3 * 7


def test_langaware_printed_averages() -> None:
    """The average of the printed cells is the printed average, but for those that say they are not."""
    off = {}
    for where, cells in langaware_rows().items():
        average = fmean(n.value for pair, n in cells.items() if pair != MEAN)
        if abs(average - cells[MEAN].value) > 0.0501:
            off[where] = round(average, 2)
            assert cells[MEAN].doubt in ("average", "misprint")
            assert f"{average:.2f}" in cells[MEAN].note
        else:
            assert cells[MEAN].doubt != "average"
    assert off == {
        ("v1", "Table 1", "llama-7b", "bleu", "c-lang"): 10.56,
        ("v1", "Table 2", "llama-7b", "bleurt", "1-shot"): 18.85,
        ("v1", "Table 2", "llama-7b", "offtarget", "1-shot"): 18.73,
        ("revised", "Table 2", "llama-3-8b", "offtarget", "foundation"): 99.13,
        ("revised", "Table 2", "llama-3-8b", "offtarget", "mt"): 33.67,
    }


def test_langaware_misprint() -> None:
    rows = langaware_rows()
    wrong = {(*where, pair) for where, cells in rows.items() for pair, n in cells.items() if n.doubt == "misprint"}
    assert {where[:5] for where in wrong} == {
        ("v1", "Table 2", "llama-7b", "offtarget", "1-shot"),
        ("v1", "Table 2", "llama-7b", "offtarget", "5-shot"),
    }
    assert len(wrong) == 14
    for system, differing in (("1-shot", {"de-zh"}), ("5-shot", set())):
        ratios, bleurts = (rows["v1", "Table 2", "llama-7b", m, system] for m in ("offtarget", "bleurt"))
        assert {pair for pair in ratios if ratios[pair].value != bleurts[pair].value} == differing
        assert all(n.tolerance is None for n in ratios.values())


def test_langaware_direction_of_french_and_german_is_doubtful() -> None:
    for (_, table, *_), cells in langaware_rows().items():
        doubtful = {pair for pair, n in cells.items() if n.doubt == "direction"}
        assert doubtful == ({"fr-de", "de-fr"} if table == "Table 1" else set())


def test_langaware_tolerances_follow_the_rule_of_the_readme() -> None:
    for (_, table, _, metric, system), cells in langaware_rows().items():
        what = "untuned" if system == "foundation" else table
        for n in (n for n in cells.values() if n.doubt != "misprint"):
            room = min(n.value, 100 - n.value)
            expected = {
                "bleu": {"untuned": 0.5, "Table 1": 1, "Table 2": 2}[what],
                "bleurt": {"untuned": 1, "Table 1": 2, "Table 2": 3}[what],
                "offtarget": 2 + 0.2 * room if what == "Table 2" else 1 + 0.1 * room,
            }[metric]
            assert n.tolerance == pytest.approx(expected, abs=0.051)


@pytest.mark.parametrize(
    ("version", "model", "metric"),
    [
        ("v1", "llama-7b", "offtarget"),
        ("v1", "llama-7b", "bleu"),
        ("v1", "llama-7b", "bleurt"),
        ("revised", "llama-2-7b", "offtarget"),
        ("revised", "llama-2-7b", "bleu"),
        ("revised", "llama-3-8b", "offtarget"),
        ("revised", "llama-3-8b", "bleu"),
    ],
)
def test_langaware_headlines(version: str, model: str, metric: str) -> None:
    rows, gains = langaware_rows(), {}
    for table in ("Table 1", "Table 2"):
        before, after = (rows[version, table, model, metric, system] for system in ("mt", "ours"))
        gains[table] = [after[pair].value - before[pair].value for pair in directions(version, table)]
    gains["Tables 1 and 2"] = gains["Table 1"] + gains["Table 2"]
    numbers = select(load("langaware"), version=version, model=model, metric=metric, quantity="difference")
    for table, gain in gains.items():
        assert only(numbers, table=table).value == pytest.approx(fmean(gain), abs=0.0051)
    where = "Tables 1 and 2" if version == "v1" else "Table 2"
    claims = select(numbers, table="abstract")
    assert len(claims) == (model != "llama-3-8b")
    for claim in claims:
        assert claim.value == pytest.approx(fmean(gains[where]), abs=0.101)


# ------------------------------------------------------------------------------------------------------------ PreTTY


def test_pretty() -> None:
    numbers = load("pretty")
    assert len(numbers) == 7
    assert {n.version: n.value for n in select(numbers, metric="languages")} == {"arxiv": 8, "acl": 7}
    for version in ("arxiv", "acl"):
        assert [n.value for n in select(numbers, version=version, metric="prior_tokens")] == [1, 2]
    best = only(numbers, quantity="ratio")
    assert (best.version, best.system, best.against, best.value) == ("acl", "prior", "sft", 0.98)


# -------------------------------------------------------------------------------------------------------- all papers


@pytest.mark.parametrize("paper", PAPERS)
def test_every_number_is_as_sure_as_it_says(paper: str) -> None:
    for n in load(paper):
        assert n.source.strip() and n.reason.strip()
        if n.sure == "figure":
            assert n.error > 0
        if n.sure == "table":
            assert n.error == 0


def test_every_table_has_its_paper() -> None:
    assert sorted(path.stem for path in published.FOLDER.glob("*.tsv")) == sorted(PAPERS)


def test_readme_explains_every_column_and_word() -> None:
    readme = (published.FOLDER / "README.md").read_text(encoding="utf-8")
    words = {
        *COLUMNS,
        *comparable.load().metrics,
        *(word for allowed in published.CHOICES.values() for word in allowed),
    }
    words |= {n.version for paper in PAPERS for n in load(paper)}
    words |= {n.system for paper in PAPERS for n in load(paper)}
    assert sorted(word for word in words if word and f"`{word}`" not in readme) == []


def test_a_record_meets_its_number() -> None:
    ours = Record("simulmask", "a", "sm-norec-mod", "en-nl", "k=5", 1, "bleu", 28.6, 28, 29.1, "BLEU", 1777)
    [number] = [each for each in load("simulmask") if each.version == "emnlp" and key(each) == key(ours)]
    assert number.value == 29.13
    assert abs(ours.value - number.value) < number.tolerance


def test_unknown_paper() -> None:
    with pytest.raises(KeyError, match="unknown paper 'simulmusk'; did you mean 'simulmask'"):
        load("simulmusk")


# ----------------------------------------------------------------------------------------------------- strict loader

ROW = {
    "paper": "toy",
    "version": "v1",
    "table": "Table 1",
    "model": "",
    "system": "ours",
    "quantity": "score",
    "against": "",
    "pair": "en-fr",
    "setting": "k=3",
    "metric": "bleu",
    "value": "30.10",
    "error": "0.05",
    "sure": "figure",
    "tolerance": "1",
    "reason": "spread of seeds",
    "doubt": "",
    "note": "",
    "source": "Table 1",
}
DIFFERENCE = {"quantity": "difference", "against": "mt"}


def text(*rows: dict[str, str]) -> str:
    return "".join("\t".join(line) + "\n" for line in (rows[0], *(row.values() for row in rows)))


def write(folder: Path, *rows: dict[str, str]) -> Path:
    path = folder / "toy.tsv"
    path.write_text(text(*rows), encoding="utf-8")
    return path


def test_a_row(tmp_path: Path) -> None:
    (number,) = read(write(tmp_path, ROW))
    assert number == Published(
        paper="toy",
        version="v1",
        table="Table 1",
        model="",
        system="ours",
        quantity="score",
        against="",
        pair="en-fr",
        setting="k=3",
        metric="bleu",
        value=30.1,
        error=0.05,
        sure="figure",
        tolerance=1.0,
        reason="spread of seeds",
        doubt="",
        note="",
        source="Table 1",
    )
    assert load("toy", tmp_path) == [number]


def test_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    assert read(write(tmp_path, dict(reversed(ROW.items())))) == read(write(tmp_path, ROW))


def test_rows_that_may_be(tmp_path: Path) -> None:
    rows = [
        ROW,
        ROW | {"pair": "mean"},
        ROW | {"pair": ""},
        ROW | {"setting": "", "tolerance": ""},
        ROW | DIFFERENCE | {"value": "-53.3", "metric": "offtarget"},
        ROW | DIFFERENCE | {"quantity": "ratio", "value": "0.98"},
        ROW | {"value": "0", "system": ""},
        ROW | {"value": "0", "system": "other", "doubt": "misprint", "note": "another row stands here"},
    ]
    numbers = read(write(tmp_path, *rows))
    assert [n.value for n in numbers] == [30.1, 30.1, 30.1, 30.1, -53.3, 0.98, 0, 0]
    assert numbers[3].tolerance is None
    assert sum(n.quantity == "score" for n in numbers) == 6


CHANGES = [
    ({"paper": "simulmask"}, "column paper: must be 'toy', as the file is named, not 'simulmask'"),
    ({"version": ""}, "column version: must not be empty"),
    ({"reason": ""}, "column reason: must not be empty"),
    ({"value": ""}, "column value: must not be empty"),
    ({"system": "ours "}, "column system: blanks around 'ours '"),
    ({"value": "30,1"}, "column value: '30,1' is not a plain decimal number"),
    ({"value": "nan"}, "column value: 'nan' is not a plain decimal number"),
    ({"value": "3e1"}, "column value: '3e1' is not"),
    ({"value": "~30"}, "column value: '~30' is not"),
    ({"value": "1_0"}, "column value: '1_0' is not"),
    ({"value": "٣"}, "column value: '٣' is not"),
    ({"value": "-0.1"}, "column value: bleu -0.1 is not between 0 and 100"),
    ({"value": "100.1"}, "column value: bleu 100.1 is not between 0 and 100"),
    ({"value": "-1", "metric": "laal"}, "column value: laal -1 is not between 0 and inf"),
    ({"error": "-1"}, "column error: is not negative, so not -1"),
    ({"error": "x"}, "column error: 'x' is not a plain decimal number"),
    ({"error": ""}, "column error: must not be empty"),
    ({"tolerance": "0"}, "column tolerance: 0 must be above 0"),
    ({"tolerance": "0.01"}, "column tolerance: 0.01 must be above 0 and not below the error, 0.05"),
    ({"tolerance": "some"}, "column tolerance: 'some' is not a plain decimal number"),
    ({"metric": "blue"}, "column metric: unknown metric 'blue'; did you mean 'bleu'"),
    ({"quantity": "diff"}, "column quantity: unknown quantity 'diff'; did you mean 'difference'"),
    ({"sure": "guess"}, "column sure: unknown sure 'guess'"),
    ({"doubt": "misprinted"}, "column doubt: unknown doubt 'misprinted'; did you mean 'misprint'"),
    ({"doubt": "misprint"}, "column note: must say what is doubtful, since doubt is 'misprint'"),
    ({"pair": "en"}, "column pair: unknown pair 'en'"),
    ({"pair": "en-xx"}, "column pair: unknown pair 'en-xx'"),
    ({"pair": "en-en"}, "column pair: unknown pair 'en-en'"),
    ({"pair": "en-fr-de"}, "column pair: unknown pair 'en-fr-de'"),
    ({"pair": "all"}, "column pair: unknown pair 'all'"),
    ({"setting": "3"}, "column setting: cannot read '3'; write name=value"),
    ({"setting": "k = 3"}, "column setting: cannot read 'k = 3'"),
    ({"quantity": "ratio"}, "column against: names a system where the quantity is a difference or a ratio"),
    ({"against": "mt"}, "column against: names a system where"),
    (DIFFERENCE | {"quantity": "ratio", "value": "0"}, "column value: a ratio is above 0, not 0"),
]
GIVEN_TWICE = (ROW, ROW | {"pair": "en-de"}, ROW | {"value": "31", "note": "again"})
RENAMED = {("pairs" if name == "pair" else name): cell for name, cell in ROW.items()}
SHORTENED = {name: cell for name, cell in ROW.items() if name not in ("pair", "note")}


def reading() -> None:
    read(Path("toy.tsv"))


ROWS = [
    *(
        Bad(f"{change}", reading, [f"toy.tsv:3: {message}"], {"toy.tsv": text(ROW, ROW | {"pair": "en-de"} | change)})
        for change, message in CHANGES
    ),
    *(
        Bad(what, reading, [said], {"toy.tsv": content})
        for what, content, said in [
            (
                "a number given twice",
                text(*GIVEN_TWICE),
                "toy.tsv:4: repeats line 2 (version v1, table Table 1",
            ),
            ("an unknown column", text(RENAMED), "toy.tsv:1: unknown column 'pairs'; did you mean 'pair'"),
            ("columns missing", text(SHORTENED), "toy.tsv:1: no column pair, note; add"),
            ("a row cut short", text(ROW) + "toy\tv1\n", "toy.tsv:3: 2 columns, but the header has 18"),
            ("no rows", "\t".join(COLUMNS) + "\n", "toy.tsv: no numbers below the header"),
            ("nothing", "", "toy.tsv:1: the first row must name every column once"),
            ("not UTF-8", b"\xff\n", "toy.tsv:1: byte 0 (0xff) is not UTF-8"),
        ]
    ),
    Bad("no such table", reading, ["toy.tsv cannot be read"]),
]


@over(ROWS, least=43)
def test_refused(bad: Bad, tmp_path: Path) -> None:
    refuse(bad, tmp_path)


@pytest.mark.parametrize("column", IDENTITY)
def test_rows_that_differ_in_one_column_of_the_identity(tmp_path: Path, column: str) -> None:
    other = {"pair": "en-de", "setting": "k=5", "metric": "laal", "quantity": "ratio", "against": "ptl"}
    first = ROW | DIFFERENCE
    assert len(read(write(tmp_path, first, first | {column: other.get(column, "other")}))) == 2


def test_numbers_do_not_change(tmp_path: Path) -> None:
    (number,) = read(write(tmp_path, ROW))
    with pytest.raises(AttributeError):
        number.value = 31.0  # type: ignore[misc]
    assert replace(number, value=31.0).value == 31.0
