# Parallel text: downloaded once if it is not local, then checked line by line and written to local parquet files.
#
# needs    the corpora of the configuration
# makes    RESULTS/corpora/<corpus>/<pair>/{train,validation,test}.parquet, dropped.jsonl, manifest.json


localrules:
    download,


# Runs on the machine where Snakemake runs, since compute nodes often have no network. Only the manifest, which is
# written last, is declared as output: Snakemake deletes a declared folder before every attempt, so a download could not
# continue.
rule download:
    output:
        manifest=f"{RESULTS}/downloads/corpora/{{corpus}}/{{pair}}/manifest.json",
    log:
        f"{RESULTS}/logs/download/{{corpus}}/{{pair}}.log",
    retries: 2
    conda:
        "../../envs/main.yaml"
    params:
        code=text("code_of_download"),
        spec=text("digest"),
        folder=subpath(output.manifest, parent=True),
    shell:
        "download.py"
        " --corpus {wildcards.corpus:q}"
        " --pair {wildcards.pair:q}"
        " --out {params.folder:q}"
        " 2>&1 | tee {log:q}"


rule prepare:
    input:
        raw=raw_files,
    output:
        manifest=f"{RESULTS}/corpora/{{corpus}}/{{pair}}/manifest.json",
    log:
        f"{RESULTS}/logs/prepare/{{corpus}}/{{pair}}.log",
    priority: 30
    conda:
        "../../envs/main.yaml"
    resources:
        **light("prepare"),
    params:
        code=text("code"),
        spec=text("digest"),
        downloads=text("downloads"),
        folder=subpath(output.manifest, parent=True),
    shell:
        "prepare.py"
        " --corpus {wildcards.corpus:q}"
        " --pair {wildcards.pair:q}"
        " --downloads {params.downloads:q}"
        " --out {params.folder:q}"
        " 2>&1 | tee {log:q}"
