# Parallel text: fetched once where it comes over a network, then checked line by line into local parquet files.
#
# needs    the corpora of the configuration
# makes    RESULTS/corpora/<corpus>/<pair>/{train,validation,test}.parquet, dropped.jsonl, manifest.json


localrules:
    download,


# Needs a network, so it runs where Snakemake runs: compute nodes often have none. The folder is not declared as an
# output: Snakemake would delete it before every attempt, and a download could never go on.
rule download:
    output:
        touch(f"{RESULTS}/downloads/corpora/{{corpus}}/{{pair}}.done"),
    params:
        code=code("download", ("provider", "hub"), ("provider", "sacrebleu")),
        spec=lambda w: digest(PLAN.corpus_spec(w.corpus, w.pair)),
        folder=lambda w: PLAN.download_folder(w.corpus, w.pair).as_posix(),
    log:
        f"{RESULTS}/logs/download/{{corpus}}/{{pair}}.log",
    retries: 2
    conda:
        "../../envs/main.yaml"
    shell:
        "python {SCRIPTS}/download.py"
        " --config {CONFIG:q}"
        " --corpus {wildcards.corpus:q}"
        " --pair {wildcards.pair:q}"
        " --out {params.folder:q}"
        " 2>&1 | tee {log:q}"


def raw_text(w):
    if PLAN.needs_download(w.corpus):
        return [rules.download.output[0].format(**w)]
    return PLAN.raw_files(w.corpus, w.pair)


rule prepare:
    input:
        raw=raw_text,
    output:
        manifest=f"{RESULTS}/corpora/{{corpus}}/{{pair}}/manifest.json",
    params:
        code=lambda w: code("prepare", ("provider", PLAN.config.corpora[w.corpus].provider)),
        spec=lambda w: digest(PLAN.corpus_spec(w.corpus, w.pair)),
        downloads=lambda w: PLAN.download_folder(w.corpus, w.pair).as_posix(),
        folder=subpath(output.manifest, parent=True),
    log:
        f"{RESULTS}/logs/prepare/{{corpus}}/{{pair}}.log",
    conda:
        "../../envs/main.yaml"
    shell:
        "python {SCRIPTS}/prepare.py"
        " --config {CONFIG:q}"
        " --corpus {wildcards.corpus:q}"
        " --pair {wildcards.pair:q}"
        " --downloads {params.downloads:q}"
        " --out {params.folder:q}"
        " 2>&1 | tee {log:q}"
