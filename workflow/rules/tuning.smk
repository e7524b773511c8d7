# Fine-tuning: one job per tuning, scope (a pair, or all of them) and seed.
#
# needs    RESULTS/models/<model>/ (or the tuning that this one continues from), RESULTS/corpora/...
# makes    RESULTS/tunings/<experiment>/<tuning>/<scope>/seed-<n>/: a checkpoint, its loss curve, manifest.json last;
#          RESULTS/timings/...: its duration and memory


rule finetune:
    input:
        tuning("inputs"),
    output:
        manifest=f"{RESULTS}/tunings/{{experiment}}/{{tuning}}/{{scope}}/seed-{{seed}}/manifest.json",
    log:
        f"{RESULTS}/logs/finetune/{{experiment}}/{{tuning}}/{{scope}}/seed-{{seed}}.log",
    priority: 10
    conda:
        "../../envs/main.yaml"
    threads: THREADS
    resources:
        **to_train(tuning("foundation.config"), tuning("tuning_config.training")),
    params:
        benchmark=f"{RESULTS}/benchmarks/finetune/{{experiment}}/{{tuning}}/{{scope}}/seed-{{seed}}.tsv",
        code=tuning("code"),
        spec=tuning("digest"),
    shell:
        "DRAGOMAN_BENCHMARK={params.benchmark:q} finetune.py"
        " --experiment {wildcards.experiment:q}"
        " --tuning {wildcards.tuning:q}"
        " --scope {wildcards.scope:q}"
        " --seed {wildcards.seed:q}"
        " 2>&1 | tee {log:q}"
