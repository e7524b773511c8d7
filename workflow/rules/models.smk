# Foundation models: trained from scratch on pages of a corpus, or fetched, or taken from a folder.
#
# needs    RESULTS/corpora/... for a model from scratch
# makes    RESULTS/models/<model>/: a checkpoint in Hugging Face format, its loss curve, manifest.json last


rule pretrain:
    input:
        text=lambda w: PLAN.model_inputs(w.model),
    output:
        manifest=f"{RESULTS}/models/{{model}}/manifest.json",
    params:
        code=code("pretrain"),
        spec=lambda w: digest(PLAN.model_spec(w.model)),
    threads: THREADS
    resources:
        gpu=1,
    log:
        f"{RESULTS}/logs/pretrain/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/pretrain/{{model}}.tsv"
    conda:
        "../../envs/main.yaml"
    shell:
        "OMP_NUM_THREADS={threads} python {SCRIPTS}/pretrain.py"
        " --config {CONFIG:q}"
        " --model {wildcards.model:q}"
        " 2>&1 | tee {log:q}"
