"""A `Table`, or rows of text, as Markdown and as LaTeX (booktabs). All text is escaped, since names are the user's."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from dragoman.reporting.arrange import ASSUMED, MISSING, Cell, Table

MAX_LATEX_COLUMNS = 6
"""Maximum number of columns on a page of `article`; a wider table gets one tabular per metric."""
MAX_LATEX_SPREADS = 4
"""Maximum number of columns with a spread in each cell."""
NARROW = (r"\footnotesize", r"\setlength{\tabcolsep}{3.5pt}")
"""LaTeX settings of a table: a small font, and little space between columns."""
MAX_LATEX_LINES = 40
"""Maximum number of rows of a `latex_rows` table on a page."""
MAX_LATEX_ROWS = 10
"""Maximum number of systems for which several tabulars share a page; with more, each has a page of its own."""


def markdown_text(text: str) -> str:
    """`text` for a cell of a pipe table: in one line, with its markup escaped."""
    text = " ".join(text.split())
    text = re.sub(r"([\\`*_\[\]|#~])", r"\\\1", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def pipes(header: Sequence[str], rows: Iterable[Sequence[str]], align: str) -> list[str]:
    """The lines of a pipe table.

    Args:
        header: [columns] titles, in Markdown.
        rows: [rows][columns] cells, in Markdown.
        align: `l` or `r` for each column.
    """
    rule = [{"l": "---", "r": "---:"}[each] for each in align]
    return [f"| {' | '.join(line)} |" for line in (header, rule, *rows)]


def _markdown_cell(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.best else cell.text
    if cell.spread:
        text += f" ± {cell.spread}"
    if cell.interval:
        text += f" {cell.interval}".replace("[", r"\[").replace("]", r"\]")
    return text + (f" <sup>{cell.mark}</sup>" if cell.mark else "")


def markdown(table: Table) -> str:
    """A heading, a pipe table, and below it notes, legend, signatures and assumptions."""
    columns = [f"{metric} {column}" for metric, columns in table.groups for column in columns]
    header = [table.head, *map(markdown_text, columns)]
    rows = [[markdown_text(label), *map(_markdown_cell, row)] for label, row in table.rows]
    lines = [f"### {markdown_text(table.title)}", "", *pipes(header, rows, "l" + "r" * len(columns)), ""]
    lines += [f"<sup>{letter}</sup> {markdown_text(note)}  " for letter, note in table.notes]
    lines += [f"{sentence}  " for sentence in table.legend]
    lines += [f"`{signature}`  " for signature in table.signatures]
    if table.assumptions:
        lines += ["", ASSUMED, ""]
        lines += [f"- **{markdown_text(name)}** {markdown_text(text)}." for name, text in table.assumptions]
    return "\n".join(lines).rstrip() + "\n"


_LATEX = {
    "\\": r"\textbackslash{}",
    "[": "{[}",  # after a line break, "[" would begin an optional argument
    "]": "{]}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",  # \textquotedbl needs the encoding T1, which is not the default
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    "→": r"$\rightarrow$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "α": r"$\alpha$",
    "\u00a0": "~",
}


def latex_text(text: str) -> str:
    """`text` for a bare `article` under pdflatex; a letter that its fonts lack is written as its code point."""
    out = []
    for letter in unicodedata.normalize("NFC", " ".join(text.split(" "))):
        if letter in _LATEX:
            out.append(_LATEX[letter])
        elif letter.isspace():
            out.append(" ")
        elif (letter.isascii() and letter.isprintable()) or ("À" <= letter <= "ž" and letter.isalpha()):
            out.append(letter)
        else:
            out.append(f"U+{ord(letter):04X}")
    return "".join(out)


def _latex_value(cell: Cell) -> str:
    text = "--" if cell.text == MISSING else cell.text
    if cell.best:
        text = rf"\textbf{{{text}}}"
    if cell.spread:
        text += rf" {{\scriptsize $\pm$\,{cell.spread}}}"
    return text + (rf"\textsuperscript{{{cell.mark}}}" if cell.mark else "")


def _tabular(table: Table, groups: list[tuple[str, list[str]]], start: int) -> list[str]:
    width = sum(len(pairs) for _, pairs in groups)
    lines = [rf"\begin{{tabular}}{{@{{}}l{'r' * width}@{{}}}}", r"\toprule"]
    heads, rules, column = [], [], 2
    for metric, pairs in groups:
        heads.append(rf"\multicolumn{{{len(pairs)}}}{{c}}{{{latex_text(metric)}}}")
        rules.append(rf"\cmidrule(lr){{{column}-{column + len(pairs) - 1}}}")
        column += len(pairs)
    lines += [f" & {' & '.join(heads)} \\\\", " ".join(rules)]
    columns = [latex_text(column) for _, columns in groups for column in columns]
    lines += [f"{table.head} & {' & '.join(columns)} \\\\", r"\midrule"]
    for label, row in table.rows:
        own = row[start : start + width]
        lines.append(f"{latex_text(label)} & {' & '.join(map(_latex_value, own))} \\\\")
        if any(cell.interval for cell in own):
            # braces keep LaTeX from reading "[" as the optional argument of the line break before it
            below = [rf"{{\scriptsize {cell.interval}}}" if cell.interval else "" for cell in own]
            lines.append(f"{{}} & {' & '.join(below)} \\\\")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def latex(table: Table) -> str:
    r"""One or more `table` environments; the preamble needs only `\usepackage{booktabs}`."""
    spread = any(cell.spread for _, row in table.rows for cell in row)
    if sum(len(pairs) for _, pairs in table.groups) <= (MAX_LATEX_SPREADS if spread else MAX_LATEX_COLUMNS):
        parts = [(table.groups, 0)]
    else:
        parts, start = [], 0
        for group in table.groups:
            parts.append(([group], start))
            start += len(group[1])
    below = [rf"\textsuperscript{{{letter}}}\,{latex_text(note)}." for letter, note in table.notes]
    below += [latex_text(sentence) for sentence in table.legend]
    if table.assumptions:
        below += [ASSUMED, *(rf"\textbf{{{latex_text(n)}}}\,{latex_text(text)}." for n, text in table.assumptions)]
    lines = ["% needs \\usepackage{booktabs}", *[f"% {' '.join(signature.split())}" for signature in table.signatures]]
    end = [r"\par\smallskip", rf"\parbox{{\linewidth}}{{\footnotesize {' '.join(below)}}}"] if below else []
    tall = len(parts) > 1 and len(table.rows) > MAX_LATEX_ROWS
    for number, (groups, start) in enumerate(parts):
        if tall or not number:
            title = f"{table.title}: {groups[0][0]}" if tall else table.title
            lines += [r"\begin{table}", r"\centering", rf"\caption{{{latex_text(title)}}}", *NARROW]
        else:
            lines += [r"\par\medskip"]
        lines += _tabular(table, groups, start)
        if tall or number == len(parts) - 1:
            lines += [*end, r"\end{table}"]
    return "\n".join(lines) + "\n"


def markdown_rows(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A heading and a pipe table of plain text."""
    table = pipes([*map(markdown_text, header)], ([*map(markdown_text, row)] for row in rows), "l" * len(header))
    return "\n".join([f"### {markdown_text(title)}", "", *table]) + "\n"


def latex_rows(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], columns: str) -> str:
    """Tables of plain text, each at most a page long.

    Args:
        title: caption of each table.
        header: [columns] titles.
        rows: [rows][columns] cells.
        columns: column specification of `tabular`.
    """
    parts = []
    for start in range(0, len(rows), MAX_LATEX_LINES):
        own = [header, *rows[start : start + MAX_LATEX_LINES]]
        head, *lines = (" & ".join(map(latex_text, row)) + r" \\" for row in own)
        parts += [r"\begin{table}", r"\centering", rf"\caption{{{latex_text(title)}}}", r"\scriptsize", NARROW[1]]
        parts += [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *lines]
        parts += [r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
    return "\n".join(parts)
