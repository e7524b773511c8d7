# Fine-tuning: one job per tuning, scope (a pair, or all of them) and seed.
#
# needs    RESULTS/models/<model>/ (or the tuning that this one continues from), RESULTS/corpora/...
# makes    RESULTS/tunings/<experiment>/<tuning>/<scope>/seed-<n>/: a checkpoint, its loss curve, manifest.json last;
#          RESULTS/timings/...: its duration and memory


rule finetune:
    input:
        model=lambda w: PLAN.model_before(tuning_run(w)) / "manifest.json",
        text=lambda w: [folder / "manifest.json" for folder in PLAN.train_corpora(tuning_run(w))],
        instructions=lambda w: [f / "manifest.json" for f in [PLAN.mixed_corpus(tuning_run(w))] if f],
    output:
        manifest=f"{RESULTS}/tunings/{{experiment}}/{{tuning}}/{{scope}}/seed-{{seed}}/manifest.json",
    log:
        f"{RESULTS}/logs/finetune/{{experiment}}/{{tuning}}/{{scope}}/seed-{{seed}}.log",
    conda:
        "../../envs/main.yaml"
    threads: THREADS
    resources:
        **asked_to_train(
            lambda w: (PLAN.experiment(w.experiment).model, PLAN.experiment(w.experiment).tunings[w.tuning].training)
        ),
    params:
        benchmark=f"{RESULTS}/benchmarks/finetune/{{experiment}}/{{tuning}}/{{scope}}/seed-{{seed}}.tsv",
        code=lambda w: code("finetune", *PLAN.tuning_code(w.experiment, w.tuning)),
        spec=lambda w: digest(PLAN.tuning_spec(tuning_run(w))),
    shell:
        "DRAGOMAN_BENCHMARK={params.benchmark:q} finetune.py"
        " --experiment {wildcards.experiment:q}"
        " --tuning {wildcards.tuning:q}"
        " --scope {wildcards.scope:q}"
        " --seed {wildcards.seed:q}"
        " 2>&1 | tee {log:q}"
