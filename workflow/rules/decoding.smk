# Hypotheses: one job per system, pair and seed. All settings of a system are decoded in one job, since every job costs
# a start of Python and torch. With `shards`, each part of the test set has its own job, and this job joins the parts.
#
# needs    RESULTS/models/... or RESULTS/tunings/..., RESULTS/corpora/...
# makes    RESULTS/decodes/<experiment>/<system>/<pair>/seed-<n>/hypotheses.jsonl, in the order of the test set
#          RESULTS/divergence/<experiment>/<pair>/seed-<n>.jsonl, where an experiment compares its model with a twin
#          RESULTS/answers/<experiment>/<system>/seed-<n>.json, where systems answer other instructions, too


rule decode:
    input:
        decoding("inputs"),
        shards=decoding("shards"),
    output:
        hypotheses=f"{RESULTS}/decodes/{{experiment}}/{{system}}/{{pair}}/seed-{{seed}}/hypotheses.jsonl",
    log:
        f"{RESULTS}/logs/decode/{{experiment}}/{{system}}/{{pair}}/seed-{{seed}}.log",
    conda:
        "../../envs/main.yaml"
    threads: THREADS
    resources:
        **with_model(decoding, when="holds_model"),
    params:
        benchmark=f"{RESULTS}/benchmarks/decode/{{experiment}}/{{system}}/{{pair}}/seed-{{seed}}.tsv",
        code=decoding("code"),
        spec=decoding("digest"),
        part=lambda w, input: ["--gather", *input.shards] if input.shards else [],
    shell:
        "DRAGOMAN_BENCHMARK={params.benchmark:q} decode.py"
        " --experiment {wildcards.experiment:q}"
        " --system {wildcards.system:q}"
        " --pair {wildcards.pair:q}"
        " --seed {wildcards.seed:q}"
        " {params.part:q}"
        " 2>&1 | tee {log:q}"


# Contiguous parts of the test set; their files are removed after they are joined.
use rule decode as decode_shard with:
    input:
        decoding("inputs"),
    output:
        temp(f"{RESULTS}/decodes/{{experiment}}/{{system}}/{{pair}}/seed-{{seed}}/shard-{{shard}}-of-{{shards}}.jsonl"),
    log:
        f"{RESULTS}/logs/decode/{{experiment}}/{{system}}/{{pair}}/seed-{{seed}}/shard-{{shard}}-of-{{shards}}.log",
    wildcard_constraints:
        shard=r"\d+",
        shards=r"\d+",
    resources:
        **with_model(decoding),
    params:
        benchmark=f"{RESULTS}/benchmarks/decode/{{experiment}}/{{system}}/{{pair}}/seed-{{seed}}/shard-{{shard}}-of-{{shards}}.tsv",
        code=decoding("code"),
        spec=decoding("digest"),
        part=["--shard", "{shard}", "--of", "{shards}"],


# Answers to general instructions (other tasks than translation), in AlpacaEval's format.
rule answer:
    input:
        answering("inputs"),
    output:
        answers=f"{RESULTS}/answers/{{experiment}}/{{system}}/seed-{{seed}}.json",
    log:
        f"{RESULTS}/logs/answer/{{experiment}}/{{system}}/seed-{{seed}}.log",
    conda:
        "../../envs/main.yaml"
    threads: THREADS
    resources:
        **with_model(answering),
    params:
        benchmark=f"{RESULTS}/benchmarks/answer/{{experiment}}/{{system}}/seed-{{seed}}.tsv",
        code=answering("code"),
        spec=answering("digest"),
    shell:
        "DRAGOMAN_BENCHMARK={params.benchmark:q} answer.py"
        " --experiment {wildcards.experiment:q}"
        " --system {wildcards.system:q}"
        " --seed {wildcards.seed:q}"
        " 2>&1 | tee {log:q}"


# Divergence of the next-token distributions of the foundation model and its fine-tuned twin.
rule diverge:
    input:
        comparing("inputs"),
    output:
        positions=f"{RESULTS}/divergence/{{experiment}}/{{pair}}/seed-{{seed}}.jsonl",
    log:
        f"{RESULTS}/logs/diverge/{{experiment}}/{{pair}}/seed-{{seed}}.log",
    conda:
        "../../envs/main.yaml"
    threads: THREADS
    resources:
        **with_model(comparing),
    params:
        benchmark=f"{RESULTS}/benchmarks/diverge/{{experiment}}/{{pair}}/seed-{{seed}}.tsv",
        code=comparing("code"),
        spec=comparing("digest"),
    shell:
        "DRAGOMAN_BENCHMARK={params.benchmark:q} diverge.py"
        " --experiment {wildcards.experiment:q}"
        " --pair {wildcards.pair:q}"
        " --seed {wildcards.seed:q}"
        " 2>&1 | tee {log:q}"
