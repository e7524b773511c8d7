# Tables, figures, and the page that shows them.
#
# needs    RESULTS/records.jsonl, hypotheses, loss curves, manifests
# makes    RESULTS/tables/<experiment>.{csv,md,tex}, RESULTS/figures/<experiment>-*.{svg,png}, RESULTS/report/index.html


rule table:
    input:
        records=rules.records.output[0],
    output:
        csv=report(
            f"{RESULTS}/tables/{{experiment}}.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"experiment": "{experiment}"},
        ),
        markdown=f"{RESULTS}/tables/{{experiment}}.md",
        latex=f"{RESULTS}/tables/{{experiment}}.tex",
    log:
        f"{RESULTS}/logs/table/{{experiment}}.log",
    conda:
        "../../envs/main.yaml"
    params:
        code=lambda w: code("table", *PLAN.metrics_of(w.experiment)),
        spec=lambda w: PLAN.table_spec(w.experiment),
        folder=subpath(output.csv, parent=True),
    shell:
        "table.py"
        " --experiment {wildcards.experiment:q}"
        " --records {input.records:q}"
        " --out-dir {params.folder:q}"
        " 2>&1 | tee {log:q}"


rule plot:
    input:
        records=rules.records.output[0],
        tunings=lambda w: PLAN.experiment_manifests(w.experiment),
    output:
        scores=report(
            f"{RESULTS}/figures/{{experiment}}-scores.svg",
            caption="../report/scores.rst",
            category="Figures",
            labels={"experiment": "{experiment}", "figure": "scores"},
        ),
        loss=report(
            f"{RESULTS}/figures/{{experiment}}-loss.svg",
            caption="../report/loss.rst",
            category="Figures",
            labels={"experiment": "{experiment}", "figure": "loss"},
        ),
    log:
        f"{RESULTS}/logs/plot/{{experiment}}.log",
    conda:
        "../../envs/main.yaml"
    params:
        code=lambda w: code("plot", *PLAN.metrics_of(w.experiment)),
        spec=lambda w: PLAN.table_spec(w.experiment),
        folder=subpath(output.loss, parent=True),
    shell:
        "plot.py"
        " --experiment {wildcards.experiment:q}"
        " --records {input.records:q}"
        " --out-dir {params.folder:q}"
        " 2>&1 | tee {log:q}"


rule page:
    input:
        records=rules.records.output[0],
        hypotheses=[PLAN.decode_folder(run) / "hypotheses.jsonl" for run in PLAN.decode_runs],
        tables=expand(rules.table.output, experiment=PLAN.config.experiments),
        figures=expand(rules.plot.output, experiment=PLAN.config.experiments),
    output:
        f"{RESULTS}/report/index.html",
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        "../../envs/main.yaml"
    params:
        code=code("report", *(("metric", name) for name in PLAN.metrics_used)),
        config=PLAN.digest,
    shell:
        "report.py" " --out {output:q}" " 2>&1 | tee {log:q}"
