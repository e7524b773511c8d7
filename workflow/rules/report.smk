# Tables, figures, and the page that shows them.
#
# needs    RESULTS/records.jsonl and those of each experiment, hypotheses, loss curves, manifests, timings
# makes    RESULTS/tables/<experiment>.{csv,md,tex,html}, RESULTS/tables/training-cost.{csv,md,tex},
#          RESULTS/figures/<experiment>-<figure>.{svg,png,pdf}, RESULTS/report/index.html

import re

from dragoman.reporting import figure_kinds


wildcard_constraints:
    figure="|".join(figure_kinds.FIGURES),


rule table:
    input:
        lambda w: (
            figure_kinds.inputs(PLAN, w.experiment, "relative") if figure_kinds.has_twin(PLAN, w.experiment) else []
        ),
        records=rules.experiment_records.output[0],
    output:
        csv=report(
            f"{RESULTS}/tables/{{experiment}}.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"experiment": "{experiment}"},
        ),
        markdown=f"{RESULTS}/tables/{{experiment}}.md",
        latex=f"{RESULTS}/tables/{{experiment}}.tex",
        html=f"{RESULTS}/tables/{{experiment}}.html",
    log:
        f"{RESULTS}/logs/table/{{experiment}}.log",
    wildcard_constraints:
        experiment="|".join(map(re.escape, PLAN.config.experiments)),
    conda:
        "../../envs/main.yaml"
    resources:
        **light("table"),
    params:
        code=code_with_metrics("table"),
        spec=of_experiment(PLAN.table_spec),
        folder=subpath(output.csv, parent=True),
    shell:
        "table.py"
        " --experiment {wildcards.experiment:q}"
        " --records {input.records:q}"
        " --out-dir {params.folder:q}"
        " 2>&1 | tee {log:q}"


rule plot:
    input:
        lambda w: figure_kinds.inputs(PLAN, w.experiment, w.figure),
        records=rules.experiment_records.output[0],
    output:
        svg=report(
            f"{RESULTS}/figures/{{experiment}}-{{figure}}.svg",
            caption="../report/figure.rst",
            category="Figures",
            labels={"experiment": "{experiment}", "figure": "{figure}"},
        ),
        png=f"{RESULTS}/figures/{{experiment}}-{{figure}}.png",
        pdf=f"{RESULTS}/figures/{{experiment}}-{{figure}}.pdf",
    log:
        f"{RESULTS}/logs/plot/{{experiment}}-{{figure}}.log",
    conda:
        "../../envs/main.yaml"
    resources:
        **light("plot"),
    params:
        code=code_with_metrics("plot"),
        spec=of_experiment(PLAN.table_spec),
        caption=lambda w: figure_kinds.FIGURES[w.figure].caption,
        folder=subpath(output.svg, parent=True),
    shell:
        "plot.py"
        " --experiment {wildcards.experiment:q}"
        " --figure {wildcards.figure:q}"
        " --records {input.records:q}"
        " --out-dir {params.folder:q}"
        " 2>&1 | tee {log:q}"


rule costs:
    input:
        [run.manifest for run in PLAN.tuning_runs],
    output:
        csv=report(
            f"{RESULTS}/tables/training-cost.csv",
            caption="../report/costs.rst",
            category="Tables",
            labels={"experiment": "training cost"},
        ),
        markdown=f"{RESULTS}/tables/training-cost.md",
        latex=f"{RESULTS}/tables/training-cost.tex",
    log:
        f"{RESULTS}/logs/costs.log",
    conda:
        "../../envs/main.yaml"
    resources:
        **light("costs"),
    params:
        code=code("table"),
        config=PLAN.digest,
        folder=subpath(output.csv, parent=True),
    shell:
        "table.py --training-cost --out-dir {params.folder:q} 2>&1 | tee {log:q}"


rule page:
    input:
        records=rules.records.output[0],
        claims=rules.claims.output[0],
        worlds=PLAN.worlds.values(),
        hypotheses=[run.hypotheses for run in PLAN.decode_runs],
        tables=expand(rules.table.output, experiment=PLAN.config.experiments),
        costs=rules.costs.output,
        figures=[
            path.format(experiment=name, figure=figure)
            for name in PLAN.config.experiments
            for figure in figure_kinds.figures_of(PLAN, name)
            for path in rules.plot.output
        ],
    output:
        f"{RESULTS}/report/index.html",
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        "../../envs/main.yaml"
    resources:
        **light("page"),
    params:
        code=code("report", *(("metric", name) for name in PLAN.metrics_used)),
        config=PLAN.digest,
        published=fingerprint(sorted((REPOSITORY / "config" / "published").glob("*.[ty]*"))),
    shell:
        "report.py --out {output:q} 2>&1 | tee {log:q}"
