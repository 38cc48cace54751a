# `make nightly` and `make test` set up what they need; `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
ALLEN_PYTHON ?= $(PYTHON)
SOURCES ?= sources.yaml
PROTOCOL ?= rigorous
NEUROLAKE_HOME ?= $(HOME)/neurolake
export NEUROLAKE_HOME

# One thread for each numerical library, so that workers on one machine don't fight.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

READY := .venv/.ready
ALLEN_READY := .venv-allen/.ready
SAMPLES := samples/sessions/.written

.PHONY: help nightly up down status omission response-types image-coding maintain test platformtest lint wheel bench bench-ingest bench-events bench-clusters bench-counts bench-encoding bench-mei bench-mixed bench-oracle bench-regressors bench-sessions bench-time calibrate samples sql models prefect check dictionary allen fetch allentest

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

nightly: $(READY) $(if $(filter sources.yaml,$(SOURCES)),$(SAMPLES)) ## ingest what is new, compute, train, report; SOURCES=folder, file, glob or yaml; PROTOCOL=rigorous|published
	@.venv/bin/python -m flows.watch --sources '$(SOURCES)' --protocol $(PROTOCOL)

up: $(READY) $(if $(NEUROLAKE_SOURCES),,$(SAMPLES)) ## start everything on 127.0.0.1: Postgres, Prefect, MLflow, workers, schedules; Ctrl-C stops it
	@.venv/bin/python -m flows.up

down: $(READY) ## stop what make up started
	@.venv/bin/python -m flows.down

status: $(READY) ## what runs, what is scheduled next, how the last runs ended, disk use of the lake
	@.venv/bin/python -m flows.status

omission: $(READY) ## the omission study of one project of the lake; ARGS='--help' lists what may be chosen
	@.venv/bin/python -m flows.omission $(ARGS)

response-types: $(READY) ## which ROIs respond, and to what: one project of the lake; ARGS='--help' lists what may be chosen
	@.venv/bin/python -m flows.response_types_command $(ARGS)

image-coding: $(READY) ## which neurons answer images, what networks predict, what excites them; ARGS='--help' lists what may be chosen
	@.venv/bin/python -m flows.image_coding_command $(ARGS)

maintain: $(READY) ## compact, expire old snapshots, clear away what belongs to none, check; ARGS='--help' lists what may be chosen
	@.venv/bin/python -m flows.maintenance $(ARGS)

test: $(READY) ## run the tests
	@# Two processes: with threads of their own as well they wait for each other, and take twice as long.
	@OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

platformtest: $(READY) ## tests of the whole platform: a browser, schedules, faults, load; half an hour; SCREENSHOTS=folder keeps the pictures
	@.venv/bin/python -m pytest -m platform --durations=20

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

bench-ingest: $(READY) $(ALLEN_READY) ## a recording into the lake, beside h5py with Parquet alone and the AllenSDK
	@.venv/bin/python benchmarks/ingest_session.py

bench-events: $(READY) ## event-locked responses, beside pandas, pynapple and the AllenSDK
	@.venv/bin/python benchmarks/event_responses.py

bench-sessions: $(READY) ## many small sessions, by one process and by three workers, as the lake grows
	@.venv/bin/python benchmarks/many_sessions.py

bench-mixed: $(READY) ## how long the mixed models take as rows grow
	@.venv/bin/python benchmarks/mixed_models.py

bench-time: $(READY) ## decoders through time, beside a loop over scikit-learn
	@.venv/bin/python benchmarks/time_decoding.py

bench-regressors: $(READY) ## all ROIs on all regressors with the null of all shifts, beside scikit-learn
	@.venv/bin/python benchmarks/regressor_fits.py

bench-clusters: $(READY) ## hierarchical clusters of 5,000 ROIs, beside SciPy alone
	@.venv/bin/python benchmarks/roi_clusters.py

bench-counts: $(READY) ## spikes per presentation, beside the AllenSDK, DuckDB and Polars
	@.venv/bin/python benchmarks/presentation_counts.py

bench-oracle: $(READY) ## the oracle correlation, beside loops over pandas
	@.venv/bin/python benchmarks/oracle.py

bench-encoding: $(READY) ## encoding models of a recording's images, beside linear ones; ARGS=FOLDER
	@.venv/bin/python -m benchmarks.encoding_macaque $(ARGS)

# Memory that is handed back after each step and asked for again costs a fifth of the time.
bench-mei: $(READY) ## most exciting inputs, all together beside one by one; ARGS='--device cpu --steps 2'
	@MALLOC_TRIM_THRESHOLD_=2000000000 MALLOC_MMAP_THRESHOLD_=2000000000 .venv/bin/python benchmarks/exciting_inputs.py $(ARGS)

calibrate: $(READY) ## how often each test calls an effect that isn't there; some 5 minutes, writes docs/calibration.md
	@.venv/bin/python benchmarks/calibrate.py $(ARGS)

allen: $(ALLEN_READY) ## set up the environment of the AllenSDK

fetch: $(ALLEN_READY) ## fetch sessions of the Allen Institute; ARGS='--help' lists the criteria
	@.venv-allen/bin/python -m flows.fetch_allen $(ARGS)

allentest: $(ALLEN_READY) ## run the tests of the AllenSDK's environment
	@.venv-allen/bin/python -m pytest tests/allen

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

# The AllenSDK's numpy and pandas have no wheels for a Python above 3.11. The .pth puts the repository on its path.
$(ALLEN_READY): deployments/allen/requirements.lock
	@test -x .venv-allen/bin/python || $(ALLEN_PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "the AllenSDK needs Python 3.11; set ALLEN_PYTHON=")'
	@test -x .venv-allen/bin/python || { echo "making .venv-allen (once, some minutes)"; $(ALLEN_PYTHON) -m venv .venv-allen; }
	@.venv-allen/bin/python -m pip install --quiet --disable-pip-version-check -r deployments/allen/requirements.lock
	@pwd >"$$(.venv-allen/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/neurolake.pth"
	@touch $@
