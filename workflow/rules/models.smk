# Foundation models: trained from scratch on pages of a corpus, or fetched, or taken from a folder.
#
# needs    RESULTS/corpora/... for a model from scratch
# makes    RESULTS/models/<model>/: a checkpoint in Hugging Face format, its loss curve, manifest.json last


rule pretrain:
    input:
        text=lambda w: PLAN.model_inputs(w.model),
    output:
        manifest=f"{RESULTS}/models/{{model}}/manifest.json",
    log:
        f"{RESULTS}/logs/pretrain/{{model}}.log",
    wildcard_constraints:
        model=models_from("scratch"),
    conda:
        "../../envs/main.yaml"
    threads: THREADS
    resources:
        **asked_to_train(lambda w: (w.model, PLAN.model(w.model).pretraining)),
    params:
        benchmark=f"{RESULTS}/benchmarks/pretrain/{{model}}.tsv",
        code=code("pretrain"),
        spec=lambda w: digest(PLAN.model_spec(w.model)),
    shell:
        "DRAGOMAN_BENCHMARK={params.benchmark:q} pretrain.py" " --model {wildcards.model:q}" " 2>&1 | tee {log:q}"


localrules:
    fetch_model,


# Where there is a network; see `download`.
rule fetch_model:
    input:
        config=lambda w: PLAN.model_inputs(w.model),
    output:
        manifest=f"{RESULTS}/models/{{model}}/manifest.json",
    log:
        f"{RESULTS}/logs/fetch_model/{{model}}.log",
    wildcard_constraints:
        model=models_from("hub", "local"),
    retries: 0  # the script asks a hub again itself; a model that is refused then stays refused
    conda:
        "../../envs/main.yaml"
    params:
        code=code("fetch_model"),
        spec=lambda w: digest(PLAN.model_spec(w.model)),
    shell:
        "fetch_model.py" " --model {wildcards.model:q}" " 2>&1 | tee {log:q}"
