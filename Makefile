# Tasks for people, hooks and CI. Each task installs what it needs first.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help install repro baselines ablation test check bench soak fidelity prefect stop ui clean

VENV := .venv
PYTHON ?= python3
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export MLFLOW_DISABLE_TELEMETRY := true
export GX_ANALYTICS_ENABLED := false
INSTALLED := $(VENV)/.installed

help: ## list the tasks
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /  make \1\t/' | expand -t 20

install: $(INSTALLED) ## create .venv with the versions in requirements.lock

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade 'pip>=25' 'setuptools>=80'
	$(VENV)/bin/python -m pip install --quiet --progress-bar off --constraint requirements.lock --editable '.[pipeline,export,ncnn,dev]'
	$(VENV)/bin/python -m pip check
	@touch $@

repro: install ## run the whole pipeline, publish to MLflow, print the path of the report
	dvc repro
	esrgan publish

baselines: install ## train and compare SRCNN, SRResNet, SRGAN and others on the pairs of `make repro`
	python -m pipelines.baselines
	esrgan publish

ablation: install ## measure the effect of each part of the paper, on the pairs of `make repro`
	python -m pipelines.baselines.ablation

test: install ## run all tests, several files at a time
	pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: install ## check format, lint, types and layers
	ruff format --check .
	ruff check .
	mypy
	lint-imports

bench: install ## measure speed against other projects (see benchmarks/)
	python -m benchmarks

soak: install ## kill, stop and starve trainings for an hour; SOAK=short for minutes
	python -m tests.support.soak $(if $(filter short,$(SOAK)),--short)

fidelity: install ## compare metrics with the literature, write docs/fidelity.md (needs ESRGAN_TEST_DATA)
	python -m benchmarks.fidelity

prefect: install ## start Prefect's server, work pool, deployments and a worker on this machine
	python -m pipelines.flows.local_server start

stop: install ## stop what `make prefect` started; its runs save first
	python -m pipelines.flows.local_server stop

ui: install ## start MLflow's UI on the default store
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui --workers 1 --backend-store-uri "$$(python -m pipelines.tracking.database)"

clean: ## remove the environment, artifacts and caches; keep checkpoints and MLflow's store
	rm -rf $(VENV) artifacts build ./*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
