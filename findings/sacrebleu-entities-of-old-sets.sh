#!/usr/bin/env bash
# sacrebleu 2.6.0: sources and references of the SGML and IWSLT sets (WMT until 2020, IWSLT 2017) keep the entities
# &amp;, &lt; and &quot; as they are in the file, where those in XML (WMT from 2021) are characters. BLEU with 13a
# undoes them before it counts, and chrF, TER and BLEU with zh do not: a model that writes R&D is wrong. Seen: chrF 49
# for a line without a mistake.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  sacrebleu==2.6.0
"$place/venv/bin/python" - <<'END'
import io
import os
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

kept = tempfile.TemporaryDirectory()
os.environ["SACREBLEU"] = kept.name
import sacrebleu
from sacrebleu.dataset.fake_sgml import FakeSGMLDataset
from sacrebleu.dataset.iwslt_xml import IWSLTXMLDataset
from sacrebleu.dataset.wmt_xml import WMTXMLDataset

print("sacrebleu", version("sacrebleu"))


def expect(what, seen, expected):
    print(f"{what}: {seen!r}")
    assert seen == expected, f"this has changed: {expected!r} was seen before"


SGML = '<srcset setid="x"><doc docid="1">\n<seg id="1"> R&amp;D costs. </seg>\n</doc></srcset>'
XML = (
    '<dataset id="x"><doc origlang="en" id="1"><src lang="en"><seg id="1">R&amp;D costs.</seg></src>'
    '<ref lang="de" translator="A"><seg id="1">R&amp;D kostet.</seg></ref></doc></dataset>'
)


def source(kind, text, files):
    archive = Path(kept.name, f"{kind.__name__}.tgz")
    with tarfile.open(archive, "w:gz") as whole:
        member = tarfile.TarInfo("x.xml")
        member.size = len(text.encode())
        whole.addfile(member, io.BytesIO(text.encode()))
    dataset = kind(kind.__name__, data=[archive.as_uri()], langpairs={"en-de": files})
    dataset.process_to_text("en-de")
    return Path(dataset.get_source_file("en-de")).read_text().strip()


expect("SGML", source(FakeSGMLDataset, SGML, ["x.xml", "x.xml"]), "R&amp;D costs.")
expect("IWSLT", source(IWSLTXMLDataset, SGML, ["x.xml", "x.xml"]), "R&amp;D costs.")
expect("XML", source(WMTXMLDataset, XML, ["x.xml"]), "R&D costs.")
line, reference = ["R&D costs."], [["R&amp;D costs."]]
expect("BLEU", round(sacrebleu.corpus_bleu(line, reference).score, 1), 100.0)
expect("chrF", round(sacrebleu.corpus_chrf(line, reference).score, 1), 48.9)
END
