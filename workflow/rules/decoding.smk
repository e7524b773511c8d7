# Hypotheses: one job per system, pair and seed. All settings of a system are decoded in one job, since every job costs
# a start of Python and torch. With `shards`, each part of the test set has its own job, and this job joins the parts.
#
# needs    RESULTS/models/... or RESULTS/tunings/..., RESULTS/corpora/...
# makes    RESULTS/decodes/<experiment>/<system>/<pair>/seed-<n>/hypotheses.jsonl, in the order of the test set
#          RESULTS/divergence/<experiment>/<pair>/seed-<n>.jsonl, where an experiment compares its model with a twin
#          RESULTS/answers/<experiment>/<system>/seed-<n>.json, where systems answer other instructions, too


rule decode:
    input:
        model=lambda w: [folder / "manifest.json" for folder in [PLAN.model_behind(decode_run(w))] if folder],
        text=lambda w: [folder / "manifest.json" for folder in PLAN.decode_corpora(decode_run(w))],
        read=lambda w: PLAN.decoder_files(decode_run(w)),
        shards=lambda w: PLAN.shard_files(decode_run(w)),
    output:
        hypotheses=f"{RESULTS}/decodes/{{experiment}}/{{system}}/{{pair}}/seed-{{seed}}/hypotheses.jsonl",
    log:
        f"{RESULTS}/logs/decode/{{experiment}}/{{system}}/{{pair}}/seed-{{seed}}.log",
    conda:
        "../../envs/main.yaml"
    threads: THREADS
    resources:
        **asked(
            lambda w: (
                with_model(PLAN.experiment(w.experiment).model)
                if PLAN.model_behind(decode_run(w)) and not PLAN.shard_files(decode_run(w))
                else RESOURCES.without_model("decode")
            )
        ),
    params:
        benchmark=f"{RESULTS}/benchmarks/decode/{{experiment}}/{{system}}/{{pair}}/seed-{{seed}}.tsv",
        code=lambda w: code("decode", *PLAN.decode_code(decode_run(w))),
        spec=lambda w: digest(PLAN.decode_spec(decode_run(w))),
        gather=lambda w, input: ["--gather", *input.shards] if input.shards else [],
    shell:
        "DRAGOMAN_BENCHMARK={params.benchmark:q} decode.py"
        " --experiment {wildcards.experiment:q}"
        " --system {wildcards.system:q}"
        " --pair {wildcards.pair:q}"
        " --seed {wildcards.seed:q}"
        " {params.gather:q}"
        " 2>&1 | tee {log:q}"


# Contiguous parts of the test set; their files are removed after they are joined.
rule decode_shard:
    input:
        model=lambda w: PLAN.model_behind(decode_run(w)) / "manifest.json",
        text=lambda w: [folder / "manifest.json" for folder in PLAN.decode_corpora(decode_run(w))],
        read=lambda w: PLAN.decoder_files(decode_run(w)),
    output:
        part=temp(
            f"{RESULTS}/decodes/{{experiment}}/{{system}}/{{pair}}/seed-{{seed}}/shard-{{shard}}-of-{{shards}}.jsonl"
        ),
    log:
        f"{RESULTS}/logs/decode/{{experiment}}/{{system}}/{{pair}}/seed-{{seed}}/shard-{{shard}}-of-{{shards}}.log",
    wildcard_constraints:
        shard=r"\d+",
        shards=r"\d+",
    conda:
        "../../envs/main.yaml"
    threads: THREADS
    resources:
        **asked(lambda w: with_model(PLAN.experiment(w.experiment).model)),
    params:
        benchmark=f"{RESULTS}/benchmarks/decode/{{experiment}}/{{system}}/{{pair}}/seed-{{seed}}/shard-{{shard}}-of-{{shards}}.tsv",
        code=lambda w: code("decode", *PLAN.decode_code(decode_run(w))),
        spec=lambda w: digest(PLAN.decode_spec(decode_run(w))),
    shell:
        "DRAGOMAN_BENCHMARK={params.benchmark:q} decode.py"
        " --experiment {wildcards.experiment:q}"
        " --system {wildcards.system:q}"
        " --pair {wildcards.pair:q}"
        " --seed {wildcards.seed:q}"
        " --shard {wildcards.shard:q}"
        " --of {wildcards.shards:q}"
        " 2>&1 | tee {log:q}"


# Answers to general instructions (other tasks than translation), in AlpacaEval's format.
rule answer:
    input:
        model=lambda w: PLAN.model_behind(answer_run(w)) / "manifest.json",
    output:
        answers=f"{RESULTS}/answers/{{experiment}}/{{system}}/seed-{{seed}}.json",
    log:
        f"{RESULTS}/logs/answer/{{experiment}}/{{system}}/seed-{{seed}}.log",
    conda:
        "../../envs/main.yaml"
    threads: THREADS
    resources:
        **asked(lambda w: with_model(PLAN.experiment(w.experiment).model)),
    params:
        benchmark=f"{RESULTS}/benchmarks/answer/{{experiment}}/{{system}}/seed-{{seed}}.tsv",
        code=code("answer"),
        spec=lambda w: digest(PLAN.answer_spec(answer_run(w))),
    shell:
        "DRAGOMAN_BENCHMARK={params.benchmark:q} answer.py"
        " --experiment {wildcards.experiment:q}"
        " --system {wildcards.system:q}"
        " --seed {wildcards.seed:q}"
        " 2>&1 | tee {log:q}"


# Divergence of the next-token distributions of the foundation model and its fine-tuned twin.
rule diverge:
    input:
        foundation=lambda w: PLAN.model_folder(PLAN.experiment(w.experiment).model) / "manifest.json",
        twin=lambda w: PLAN.tuning_folder(PLAN.twin_of(divergence_run(w))) / "manifest.json",
        text=lambda w: PLAN.corpus_folder(PLAN.experiment(w.experiment).test.corpus, w.pair) / "manifest.json",
    output:
        positions=f"{RESULTS}/divergence/{{experiment}}/{{pair}}/seed-{{seed}}.jsonl",
    log:
        f"{RESULTS}/logs/diverge/{{experiment}}/{{pair}}/seed-{{seed}}.log",
    conda:
        "../../envs/main.yaml"
    threads: THREADS
    resources:
        **asked(lambda w: with_model(PLAN.experiment(w.experiment).model)),
    params:
        benchmark=f"{RESULTS}/benchmarks/diverge/{{experiment}}/{{pair}}/seed-{{seed}}.tsv",
        code=code("diverge"),
        spec=lambda w: digest(PLAN.divergence_spec(divergence_run(w))),
    shell:
        "DRAGOMAN_BENCHMARK={params.benchmark:q} diverge.py"
        " --experiment {wildcards.experiment:q}"
        " --pair {wildcards.pair:q}"
        " --seed {wildcards.seed:q}"
        " 2>&1 | tee {log:q}"
