# Scores: every number a record; all records of a run in one file.
#
# needs    RESULTS/decodes/...
# makes    RESULTS/scores/<experiment>/<system>/<pair>/seed-<n>.jsonl, RESULTS/records.jsonl


rule score:
    input:
        hypotheses=rules.decode.output.hypotheses,
    output:
        records=f"{RESULTS}/scores/{{experiment}}/{{system}}/{{pair}}/seed-{{seed}}.jsonl",
    log:
        f"{RESULTS}/logs/score/{{experiment}}/{{system}}/{{pair}}/seed-{{seed}}.log",
    conda:
        "../../envs/main.yaml"
    params:
        code=lambda w: code("score", *PLAN.metrics_of(w.experiment)),
        metrics=lambda w: PLAN.experiment(w.experiment).metrics,
        paper=lambda w: PLAN.experiment(w.experiment).paper,
    shell:
        "score.py hypotheses"
        " --experiment {wildcards.experiment:q}"
        " --system {wildcards.system:q}"
        " --pair {wildcards.pair:q}"
        " --seed {wildcards.seed:q}"
        " --hypotheses {input.hypotheses:q}"
        " --out {output.records:q}"
        " 2>&1 | tee {log:q}"


localrules:
    records,


rule records:
    input:
        [PLAN.score_file(run) for run in PLAN.decode_runs],
    output:
        f"{RESULTS}/records.jsonl",
    log:
        f"{RESULTS}/logs/records.log",
    conda:
        "../../envs/main.yaml"
    shell:
        "cat {input:q} > {output:q} 2> {log:q}"
