# `make nightly` and `make test` set up what they need; `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
SOURCES ?= sources.yaml
PROTOCOL ?= rigorous
NEUROLAKE_HOME ?= $(HOME)/neurolake
export NEUROLAKE_HOME

# One thread for each numerical library, so that workers on one machine don't fight.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

READY := .venv/.ready
SAMPLES := samples/sessions/.written

.PHONY: help nightly test lint wheel bench samples sql models prefect check dictionary

help: ## list what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 14

nightly: $(READY) $(if $(filter sources.yaml,$(SOURCES)),$(SAMPLES)) ## ingest what is new, compute, train, report; SOURCES=folder, file, glob or yaml; PROTOCOL=rigorous|published
	@.venv/bin/python -m flows.watch --sources '$(SOURCES)' --protocol $(PROTOCOL)

test: $(READY) ## run the tests
	@.venv/bin/python -m pytest -n 2 --dist loadgroup

lint: $(READY) ## ruff, import contracts, stale data dictionary
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/python -m storage.dictionary --check

wheel: $(READY) ## build the wheel into dist/
	rm -rf dist
	.venv/bin/python -m build --wheel --no-isolation --outdir dist .

samples: $(SAMPLES) ## write the simulated sample sessions

$(SAMPLES): | $(READY)
	@.venv/bin/python samples/write_sessions.py
	@touch $@

bench: $(READY) ## the lake beside NumPy and pandas, one table
	@.venv/bin/python benchmarks/lake_roads.py

sql: $(READY) ## a DuckDB shell on the lake, for reading
	@.venv/bin/python -m storage.shell

check: $(READY) ## run every data check on the lake
	@.venv/bin/python -m storage.check

models: $(READY) ## the MLflow page at http://127.0.0.1:5000
	@.venv/bin/python -m storage.registry

prefect: $(READY) ## the Prefect page at http://127.0.0.1:4200
	@.venv/bin/python -m flows.server

dictionary: $(READY) ## write docs/data-dictionary.md anew
	@.venv/bin/python -m storage.dictionary

# Torch first and by its version: the plain name would bring gigabytes of CUDA to a machine without a GPU.
$(READY): requirements.lock pyproject.toml
	@test -x .venv/bin/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "neurolake needs Python 3.11 or newer; set PYTHON=")'
	@test -x .venv/bin/python || { echo "making .venv (once, some minutes)"; $(PYTHON) -m venv .venv; }
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' requirements.lock)"
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
