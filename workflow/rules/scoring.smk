# Scores: every number is a record. There is a file with the records of each experiment, and one with all records.
#
# needs    RESULTS/decodes/..., RESULTS/divergence/... where a model is compared with a twin
# makes    RESULTS/requisites/<experiment>.txt, RESULTS/scores/<experiment>/<system>/<pair>/seed-<n>.jsonl,
#          RESULTS/judgements/..., RESULTS/scores/<experiment>.jsonl, RESULTS/records.jsonl, RESULTS/claims.jsonl

import re

from dragoman import registry
from dragoman.results import judging


localrules:
    judge,
    neural_environment,
    requisites,
    experiment_records,
    records,


# The environment of COMET, BLEURT and LaBSE, since the packages of the first two conflict with ours. It is created when
# it is first needed, on a machine with a network. The rule has no input from the checkout, so that nothing is made
# again in a copy of checkout and results.
rule neural_environment:
    output:
        temp(touch(f"{RESULTS}/requisites/neural-environment")),
    log:
        f"{RESULTS}/logs/neural_environment.log",
    priority: 100
    conda:
        "../../envs/main.yaml"
    shell:
        'test -n "${{DRAGOMAN_NEURAL_PYTHON:-}}" ||'
        ' make -C "$(dirname "$(command -v score.py)")/.." env-neural 2>&1 | tee {log:q}'


# Models of neural metrics, and files of tokenizers. Runs first, so that a missing model is reported before GPU time is
# spent.
rule requisites:
    input:
        lambda w: rules.neural_environment.output if is_neural(w) else [],
    output:
        f"{RESULTS}/requisites/{{experiment}}.txt",
    log:
        f"{RESULTS}/logs/requisites/{{experiment}}.log",
    priority: 100
    conda:
        "../../envs/main.yaml"
    params:
        metrics=experiment("metrics"),
        pairs=experiment("test.pairs"),
        packages=lambda w: fingerprint([REPOSITORY / "envs" / "neural.lock"] if is_neural(w) else []),
    shell:
        "score.py requisites --experiment {wildcards.experiment:q} --out {output:q} 2>&1 | tee {log:q}"


rule score:
    input:
        hypotheses=rules.decode.output.hypotheses,
        requisites=lambda w: rules.requisites.output if PLAN.requisites(w.experiment) else [],
    output:
        records=f"{RESULTS}/scores/{{experiment}}/{{system}}/{{pair}}/seed-{{seed}}.jsonl",
    log:
        f"{RESULTS}/logs/score/{{experiment}}/{{system}}/{{pair}}/seed-{{seed}}.log",
    conda:
        "../../envs/main.yaml"
    resources:
        **asked(lambda w: RESOURCES.without_model("neural" if is_neural(w) else "score")),
    params:
        code=code_with_metrics("score"),
        metrics=experiment("metrics"),
        options=of_experiment(PLAN.metric_options),
        paper=experiment("paper"),
    shell:
        "score.py hypotheses"
        " --experiment {wildcards.experiment:q}"
        " --system {wildcards.system:q}"
        " --pair {wildcards.pair:q}"
        " --seed {wildcards.seed:q}"
        " --hypotheses {input.hypotheses:q}"
        " --out {output.records:q}"
        " 2>&1 | tee {log:q}"


# A judge needs a network, so this runs on the machine where Snakemake runs. If a judge was missing and is now
# available, the records are made again.
rule judge:
    input:
        answers=rules.answer.output.answers,
        rival=answering("rival.answers"),
    output:
        records=f"{RESULTS}/judgements/{{experiment}}/{{system}}/seed-{{seed}}.jsonl",
    log:
        f"{RESULTS}/logs/judge/{{experiment}}/{{system}}/seed-{{seed}}.log",
    conda:
        "../../envs/main.yaml"
    params:
        code=code("judge"),
        judge=answering("instructed.judge"),
        missing=lambda w: judging.obstacle(answering("instructed.judge")(w)),
    shell:
        "judge.py"
        " --experiment {wildcards.experiment:q}"
        " --system {wildcards.system:q}"
        " --seed {wildcards.seed:q}"
        " 2>&1 | tee {log:q}"


# Records of one experiment, so that its tables and figures can be made without the scores of other experiments.
rule experiment_records:
    input:
        runs_of(PLAN.decode_runs, "scores"),
        runs_of(PLAN.judge_runs, "judgements"),
    output:
        f"{RESULTS}/scores/{{experiment}}.jsonl",
    log:
        f"{RESULTS}/logs/scores/{{experiment}}.log",
    wildcard_constraints:
        experiment="|".join(map(re.escape, PLAN.config.experiments)),
    conda:
        "../../envs/main.yaml"
    shell:
        "cat /dev/null {input:q} > {output:q} 2> {log:q}"


rule records:
    input:
        expand(rules.experiment_records.output, experiment=PLAN.config.experiments),
    output:
        f"{RESULTS}/records.jsonl",
    log:
        f"{RESULTS}/logs/records.log",
    conda:
        "../../envs/main.yaml"
    shell:
        "cat {input:q} > {output:q} 2> {log:q}"


# Tests the papers' claims on all records. Every claim gets a verdict, which may be "not run".
rule claims:
    input:
        [run.hypotheses for run in PLAN.decode_runs],
        [run.file for run in PLAN.divergence_runs],
        records=rules.records.output[0],
    output:
        f"{RESULTS}/claims.jsonl",
    log:
        f"{RESULTS}/logs/claims.log",
    conda:
        "../../envs/main.yaml"
    resources:
        **light("claims"),
    params:
        claims=fingerprint([REPOSITORY / "config" / "claims.yaml"]),
        published=fingerprint(sorted((REPOSITORY / "config" / "published").glob("*.tsv"))),
        code=code("claims", *(("metric", name) for name in registry.names("metric"))),
        config=PLAN.digest,
    shell:
        "claims.py --out {output:q} 2>&1 | tee {log:q}"
