"""Reads TMX and XLIFF (1.x and 2.x), one unit at a time, with the unit classes of translate-toolkit.

Inline tags are removed. Tags for code of the document (`bpt`, `ph`, `x`, ...) are removed with their content; of tags
around text (`g`, `mrk`, `pc`, `hi`), the content is kept. A code between two blanks leaves one blank, and a code for a
line break becomes a blank.

A TMX file may have many languages, and is read for any pair of them. A unit that lacks one language of the pair is
`untranslated`, and a unit that lacks both makes no row. An XLIFF file may hold several files with different languages.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.corpora import CorpusError, Row
from dragoman.corpora.exchange import Tags, order, row
from dragoman.corpora.exchange import text as on_one_line
from dragoman.text import TextError, open_bytes

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

ROOTS = {".tmx": "tmx", ".xlf": "xliff", ".xliff": "xliff"}
NAMES = ("source", "target")
CODES = frozenset({"bpt", "bx", "cp", "ec", "ept", "ex", "it", "ph", "sc", "ut", "x"})
"""Inline elements whose content, if any, is code."""
BREAK = re.compile(r"(x-|xlf:)?(lb|br|pb)|line.?break", re.IGNORECASE)
BREAK_CODE = re.compile(r"\s*(<br\b.*|\\n|\n)\s*", re.IGNORECASE | re.DOTALL)
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
DONE = frozenset({"translated", "reviewed", "signed-off", "final"})
UNDONE = frozenset({"new", "initial", "needs-translation", "needs-adaptation", "needs-l10n"})
SUGGESTED = frozenset(
    {"exact-match", "fuzzy-match", "leveraged-mt", "leveraged-repository", "leveraged-tm", "mt-suggestion"}
    | {"rejected-grammar", "rejected-inaccurate", "rejected-length", "rejected-spelling", "tm-suggestion"}
)
"""State qualifiers of XLIFF 1.2 for targets from a translation memory or machine translation. If such a target was
accepted, its state is one of DONE."""
LINES = 65_535
"""libxml2 does not count lines beyond this number."""
OTHER_ROOTS = {"TEI": "a TEI dictionary", "TEI.2": "a TEI dictionary", "TS": "a Qt file; convert it by `ts2po`"}


def rows(path: Path, ending: str, tags: Tags) -> Iterator[Row]:
    """All translations of a file, in order.

    Raises:
        CorpusError: the file cannot be read, or has no text of the pair.
    """
    from lxml import etree

    try:
        root = _root(path, ROOTS[ending])
        yield from _tmx(path, root, tags) if ending == ".tmx" else _xliff(path, root, tags)
    except etree.XMLSyntaxError as error:
        said = " ".join(str(error).split())
        raise CorpusError(f"{path} is no whole XML file ({said}); mend it, or copy or download it again") from None
    except (EOFError, OSError, zlib.error) as error:
        raise CorpusError(f"{path} cannot be read ({error}); copy or download it again") from None


def _tmx(path: Path, root: Element, tags: Tags) -> Iterator[Row]:
    from translate.misc.xml_helpers import getXMLlang
    from translate.storage.tmx import tmxunit

    for number, (_, element) in enumerate(_elements(path, "tu"), 1):
        place = _place(path, element, number)
        texts: tuple[list[str], list[str]] = ([], [])
        for node in _unit(tmxunit, element, root).getlanguageNodes():
            side = tags.side(getXMLlang(node) or node.get("lang") or "")
            if side is not None and (segment := node.find("{*}seg")) is not None:
                texts[side].append(plain(segment, place))
        sources, targets = texts
        if not sources and not targets:
            continue
        if not sources or not targets:
            code = tags.codes[1 if sources else 0]
            yield row("".join(sources[:1]), "".join(targets[:1]), place, "untranslated", f"no text in {code!r}")
            continue
        yield row(sources[0], targets[0], place)
        why = "another text of the same language came before in this unit"
        yield from (row(sources[0], other, place, "alternative", why) for other in targets[1:])
        yield from (row(other, targets[0], place, "alternative", why) for other in sources[1:])
    if missing := tags.missing():
        raise CorpusError(missing)


def _xliff(path: Path, root: Element, tags: Tags) -> Iterator[Row]:
    from translate.storage.xliff import Xliff1Unit
    from translate.storage.xliff2 import Xliff2Unit

    second = root.get("version", "").startswith("2") or root.get("srcLang") is not None
    kind, name = (Xliff2Unit, "unit") if second else (Xliff1Unit, "trans-unit")
    languages = root.get("srcLang"), root.get("trgLang")
    matched = False
    for number, (event, element) in enumerate(_elements(path, "file", name), 1):
        if event == "start":
            if not second:
                languages = element.get("source-language"), element.get("target-language")
            continue
        turned = None
        for part in element.iterchildren("{*}segment") if second else [element]:
            unit = _unit(kind, part, root)
            nodes = unit.source_dom, unit.target_dom
            own = [
                said if node is None else node.get(LANGUAGE, said) for node, said in zip(nodes, languages, strict=True)
            ]
            if (turned := order(tags, NAMES, own)) is None:
                continue
            matched, place = True, _place(path, part, number)
            sides = ["" if node is None else plain(node, place) for node in nodes]
            yield row(*(sides[at] for at in turned), place, *_unfinished(part, nodes[1], second))
            for match in part.iterchildren("{*}alt-trans"):
                yield from _proposed(match, sides[0], place, turned)
        if turned is not None:
            # In XLIFF 2, suggestions belong to the whole unit, and segments are parts of it.
            for match in element.iterfind("{*}matches/{*}match"):
                yield from _proposed(match, "", _place(path, element, number), turned)
    if not matched:
        hint = ", ".join(f"{code}: {name}" for code, name in zip(tags.codes, NAMES, strict=True))
        raise CorpusError(
            f"{path} has no unit of {'-'.join(tags.codes)}; {tags.listed()}, or which side is which "
            f"(`columns: {{{hint}}}`)"
        )


def _proposed(match: Element, source: str, place: str, turned: tuple[int, int]) -> Iterator[Row]:
    own = match.find("{*}source")
    for target in match.iterchildren("{*}target"):
        sides = source if own is None else plain(own, place), plain(target, place)
        yield row(*(sides[at] for at in turned), place, "suggestion", "a tool proposed it")


def _unfinished(element: Element, target: Element | None, second: bool) -> tuple[str, str]:
    """(reason, message) if the file marks a translation as unfinished; otherwise two empty texts."""
    said = (node.get("translate") for node in (element, *element.iterancestors()))
    if next((value for value in said if value is not None), "yes") == "no":
        return "translate-no", "the unit is not to be translated"
    if target is None:
        return "", ""
    if element.get("approved") == "yes":
        return "", ""
    state, qualifier = (element if second else target).get("state"), target.get("state-qualifier")
    if state is not None and state.startswith("needs-review"):
        return "needs-review", f"its state is {state}"
    if state in UNDONE:
        return "needs-work", f"its state is {state}"
    if state in DONE:
        return "", ""
    if qualifier in SUGGESTED:
        return "suggestion", f"its state is {qualifier}"
    if element.get("approved") == "no":
        return "unapproved", 'the unit has approved="no"'
    return "", ""


def plain(node: Element, place: str) -> str:
    """The text of a segment without inline tags, on one line."""
    # "\0" marks the places of codes, since it cannot occur in XML text.
    marked = on_one_line("".join(_pieces(node, place)))
    return re.sub("(?<= )\0+ |\0", "", marked).strip()


def _pieces(node: Element, place: str) -> Iterator[str]:
    from lxml import etree

    yield node.text or ""
    for child in node:
        if child.tag is etree.Entity:
            raise TextError(f"{place}: the entity {child.text} is declared by the file; write its characters instead")
        if isinstance(child.tag, str):
            if etree.QName(child).localname not in CODES:
                yield from _pieces(child, place)
            else:
                yield "\n" if _is_break(child) else "\0"
        yield child.tail or ""


def _is_break(code: Element) -> bool:
    named = (code.get(key, "") for key in ("ctype", "type", "subType", "id"))
    written = (code.text or "", code.get("equiv-text", ""), code.get("equiv", ""))
    return any(map(BREAK.fullmatch, named)) or any(map(BREAK_CODE.fullmatch, written))


def _place(path: Path, element: Element, number: int) -> str:
    """File and line (or number) of a unit, for a message."""
    line = element.sourceline
    return f"{path}:{line}" if line and line < LINES else f"{path}: unit {number}"


def _unit(kind: Any, element: Element, root: Element) -> Any:
    """A unit of translate-toolkit."""
    from lxml.etree import QName

    unit = kind.createfromxmlElement(element)
    unit.namespace = QName(root).namespace
    return unit


def _root(path: Path, wanted: str) -> Element:
    """The root element of a file.

    Raises:
        CorpusError: the root element is not `wanted`.
    """
    from lxml import etree

    with open_bytes(path) as file:
        _, root = next(iter(etree.iterparse(file, events=("start",), **SAFE)))
        name = etree.QName(root).localname
    if name != wanted:
        ending = next((ending for ending, root in ROOTS.items() if root == name), "")
        what = (
            f"name it {ending}"
            if ending
            else f"it is {OTHER_ROOTS[name]}"
            if name in OTHER_ROOTS
            else "give another file"
        )
        raise CorpusError(f"{path} begins with <{name}>, not <{wanted}>; {what}")
    return root


SAFE: dict[str, Any] = {"resolve_entities": False, "no_network": True, "load_dtd": False}
"""Options of the parser that prevent a file from including other files or addresses."""


def _elements(path: Path, *names: str) -> Iterator[tuple[str, Element]]:
    """Elements with these names, at their end (`file`: at its beginning). Each element is cleared afterwards, so that
    memory holds one unit at a time."""
    from lxml import etree

    with open_bytes(path) as file:
        for event, element in etree.iterparse(
            file, events=("start", "end"), tag=[f"{{*}}{name}" for name in names], **SAFE
        ):
            if (event == "start") == (etree.QName(element).localname == "file"):
                yield event, element
            if event == "end":
                parent = element.getparent()
                element.clear()
                while element.getprevious() is not None:
                    del parent[0]
