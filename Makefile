# Two commands matter: `make demo` and `make test`. Each makes the environment first if it is missing or its lock changed.
# After `. .venv/bin/activate`, plain `snakemake --cores all` is the same run as `make demo`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
CORES ?= all
CONFIG ?= config/config.yaml

VENV := .venv
READY := $(VENV)/.ready
IN_VENV := export PATH="$(CURDIR)/$(VENV)/bin:$$PATH"; hash -r;

# Bytecode that is not kept is compiled anew by every job.
export PYTHONDONTWRITEBYTECODE :=

# What `make real` lies over config/real.yaml: a model and a text, by the names of files in config/real; none by default.
MODEL ?= gemma3
TEXT ?= embedded

# Results folders that the page of `make real` sets next to its own: WORLDS="embedded: results, other: results/x".
WORLDS ?=

# Whether `make test` makes the environment of COMET and BLEURT and tests them.
NEURAL ?= 1

# The environment of envs/ that `make lock` is about.
LOCK ?= main

.PHONY: help env env-simuleval env-omnisteval env-neural env-trl demo smoke real test fuzz chaos lint audit format bench report compare clean lock

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

env: $(READY) ## make the environment in .venv

# $(call install,NAME): the environment of envs/NAME in the target's folder.
# Not compiling to bytecode here halves the time; Python does it for what is imported, when it is.
define install
	@echo "Making the environment in $(@D) (packages of envs/$(1).txt at the versions of envs/$(1).lock) ..."
	@test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile \
	  -r envs/$(1).txt -c envs/$(1).lock
	@touch $@
endef

$(READY): envs/main.txt envs/main.lock
	$(call install,main)
	@echo "The environment is ready; '. $(VENV)/bin/activate' puts it on your PATH."

env-simuleval: $(VENV)-simuleval/.ready ## make SimulEval's environment in .venv-simuleval

$(VENV)-simuleval/.ready: envs/simuleval.txt envs/simuleval.lock
	$(call install,simuleval)

env-omnisteval: $(VENV)-omnisteval/.ready ## make OmniSTEval's environment in .venv-omnisteval

$(VENV)-omnisteval/.ready: envs/omnisteval.txt envs/omnisteval.lock
	$(call install,omnisteval)

env-trl: $(VENV)-trl/.ready ## make TRL's environment in .venv-trl, for `bench.py trl`

$(VENV)-trl/.ready: envs/trl.txt envs/trl.lock
	$(call install,trl)

env-neural: $(VENV)-neural/.ready ## make the environment of COMET and BLEURT in .venv-neural (1.3 GB)

$(VENV)-neural/.ready: envs/neural.txt envs/neural.lock
	$(call install,neural)

demo: env ## run the embedded demonstration: a corpus, two models, a fine-tuning, a report
	@echo "Running the workflow with $(CONFIG) ..."
	@$(IN_VENV) snakemake --cores $(CORES) --configfile $(CONFIG) --quiet rules host

smoke: ## the same with config/smoke.yaml: every rule without a download in a few minutes; the models stay untrained
	@$(MAKE) --no-print-directory demo CONFIG=config/smoke.yaml

real: env ## the three papers on a real model, Gemma 3 270M (MODEL=smollm2; TEXT=folder or hub)
	@$(IN_VENV) snakemake --cores $(CORES) --quiet rules host --config results=results/real-$(MODEL)-$(TEXT) $(if $(WORLDS),worlds='{$(WORLDS)}') --configfile \
	  config/real.yaml $(patsubst %,config/real/%.yaml,$(filter-out gemma3,$(MODEL)) $(filter-out embedded,$(TEXT)))

test: env lint $(if $(filter 0,$(NEURAL)),,env-neural) ## style checks and the whole test suite (NEURAL=0: without COMET and BLEURT)
	@$(IN_VENV) OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

fuzz: env ## a hundred times as many odd configurations and texts as `make test` tries, new ones every time
	@$(IN_VENV) DRAGOMAN_FUZZ=1 OMP_NUM_THREADS=1 python -m pytest -n 2 tests/test_fuzz.py tests/test_long_runs.py

lint: env ## what `make test` checks about style
	@$(IN_VENV) ruff check . && ruff format --check . && snakefmt --check Snakefile workflow && \
	  snakemake --lint && python scripts/generate.py --check

# Asks a service on the network about every package, so it is no part of `make test`. A package that it does not know is
# an error: nothing would have been looked up.
audit: env ## look up known faults of the locked packages (pip-audit, in an environment of its own)
	test -x $(VENV)-audit/bin/pip-audit || { $(PYTHON) -m venv $(VENV)-audit && \
	  $(VENV)-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit; }
	$(VENV)-audit/bin/pip-audit --strict --no-deps --disable-pip -r envs/main.lock

format: env ## bring Python and Snakemake files into shape
	@$(IN_VENV) ruff check --fix . && ruff format . && snakefmt Snakefile workflow

bench: env ## measure, side by side, what the project calls fast
	@$(IN_VENV) python scripts/bench.py

chaos: env ## kill the smoke run at 20 random moments: the result must not change (half an hour)
	@$(IN_VENV) OMP_NUM_THREADS=1 python tests/chaos.py

report: env ## Snakemake's own report of the last run, beside ours
	@$(IN_VENV) snakemake --configfile $(CONFIG) --report results/report/snakemake.html

compare: env ## put two results folders side by side: make compare A=results B=../theirs/results
	@test -n "$(A)" -a -n "$(B)" || { echo "make compare needs two results folders: A=results B=../theirs/results" >&2; exit 2; }
	@$(IN_VENV) python scripts/compare.py "$(A)" "$(B)" $(ARGS)

clean: ## remove results and environments
	rm -rf results $(VENV) $(VENV)-* .snakemake

# The newest versions that fit together become the lock. torch without its local suffix, so that pip may take any build.
lock: ## choose new versions for envs/main.lock (or LOCK=simuleval, omnisteval, trl), and write the conda files from them
	rm -rf $(VENV)-lock && $(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet -r envs/$(LOCK).txt
	( head -n 1 envs/$(LOCK).lock; $(VENV)-lock/bin/python -m pip freeze | sed -E 's/^(torch==[^+]*).*/\1/' ) > $(VENV)-lock/lock
	mv $(VENV)-lock/lock envs/$(LOCK).lock && rm -rf $(VENV)-lock
	$(MAKE) --no-print-directory env && $(VENV)/bin/python scripts/generate.py
