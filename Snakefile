# dragoman: reproduce papers on translation with large language models, and compare new methods with them.
#
#   snakemake --cores all                                     the embedded demonstration (config/config.yaml)
#   snakemake --cores all --configfile config/smoke.yaml      every rule without a download, in a few minutes
#   snakemake --cores all results/report/index.html           one result, with all jobs that it needs
#
# Corpora -> training -> decoding -> metrics -> tables -> report: one rule file per step, in that order.

from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

if "experiments" not in config:

    configfile: Path(workflow.basedir) / "config" / "config.yaml"


include: "workflow/rules/common.smk"


rule all:
    default_target: True
    input:
        f"{RESULTS}/report/index.html",


include: "workflow/rules/corpora.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/tuning.smk"
include: "workflow/rules/decoding.smk"
include: "workflow/rules/scoring.smk"
include: "workflow/rules/report.smk"


onsuccess:
    # a run of other targets leaves the report as it was
    page = f"{RESULTS}/report/index.html"
    if any(page in job.output for job in workflow.dag.jobs):
        print(f"The report: {page}")
        print(f"Its configuration, for scripts that you run by hand: --config {MERGED}")
