# Every target sets up what it needs and can be repeated. State is in PORTOLAN_HOME (default var/), see README.md.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.11 || echo python3)
export PYTHON
PY := .venv/bin/python
UV := VIRTUAL_ENV=$(CURDIR)/.venv .venv/bin/uv
# Jobs write no byte code, so each of them would compile all that it imports: a second and more.
COMPILED := --compile-bytecode
# Two makes in one checkout wait for each other where they write the same folders.
ALONE := flock $(CURDIR)/package.json
SOURCES := $(shell find static/src -type f 2>/dev/null)

.PHONY: help setup demo serve test test-fast test-compose test-kubernetes lint bench lock assets

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: setup ## three results from sample data, then a portal to look at them (ONCE=1: end after the results; OIDC=1: with sample institutes; SLURM=1: on a cluster)
	@exec $(PY) manage.py demo $(if $(filter-out 0,$(ONCE)),--once) $(if $(filter-out 0,$(OIDC)),--oidc) $(if $(filter-out 0,$(SLURM)),--slurm)

serve: setup ## the portal with all its services, until Ctrl-C
	@exec $(PY) manage.py up

test: setup-test ## every test: units, PostgreSQL, real RELION, a real browser
	@$(PY) -m tests.suite fast locks slow

test-fast: .venv/dev node_modules/.built ## the quick tests only
	@$(PY) -m tests.suite fast

test-compose: .venv/dev ## build the image with podman, bring docker-compose.yml up, upload, run a job, take it down
	@deploy/need compose
	@$(PY) deploy/test_compose.py

test-kubernetes: .venv/dev ## the contract of schedulers on a real Kubernetes, built once from Debian's source (as root)
	@deploy/need kubernetes
	@deploy/build-kubernetes .cache/kubernetes
	@KUBERNETES_PROGRAMS=$(CURDIR)/.cache/kubernetes/bin .venv/bin/pytest -q tests/jobs/backends/test_kubernetes.py

lint: need-test .venv/dev ## ruff, mypy, import-linter, sizes, templates
	.venv/bin/ruff check . && .venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/mypy .
	$(PY) tests/house/sizes.py
	.venv/bin/djlint --lint templates

bench: setup-test ## measure, write bench/results.json and docs/performance.md (some 20 minutes)
	@$(PY) -m bench

assets: node_modules/.built ## the front-end bundles

lock: .venv/dev ## resolve the dependencies again
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements/app.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --group dev pyproject.toml -c requirements/app.txt -o requirements/dev.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --group crate -o requirements/crate.txt

.PHONY: setup-test need-demo need-test
setup: need-demo .venv/app node_modules/.built ## packages, environment and assets for demo and serve
setup-test: need-test .venv/dev .venvs/crate/.ready node_modules/.built

need-demo:
	@deploy/need demo

need-test:
	@deploy/need test

.venv/bin/uv:
	@deploy/need demo
	@echo "Making the Python environment"
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@$(PY) -m pip install -q --disable-pip-version-check uv==0.13.8

# The application alone is enough to serve; once the development set is there it is kept in step instead.
.venv/app: requirements/app.txt | .venv/bin/uv
	@if test -e .venv/dev; then $(MAKE) --no-print-directory .venv/dev; else \
	  echo "Installing the locked Python packages" && $(UV) pip install -q $(COMPILED) --require-hashes -r requirements/app.txt; fi
	@touch $@

.venv/dev: requirements/dev.txt | .venv/bin/uv
	@echo "Installing the locked Python packages for development"
	@$(UV) pip sync -q $(COMPILED) --require-hashes requirements/dev.txt
	@touch .venv/app $@

# The validator of crates holds other packages back, so it lives apart.
.venvs/crate/.ready: requirements/crate.txt | .venv/bin/uv
	@echo "Installing the locked validator of crates"
	@$(UV) venv -q --clear --python $(PY) .venvs/crate
	@$(UV) pip sync -q --python .venvs/crate --require-hashes requirements/crate.txt
	@touch $@

node_modules/.ready: package-lock.json
	@echo "Installing the locked front-end packages"
	@$(ALONE) npm ci --no-audit --no-fund --loglevel=error
	@touch $@

node_modules/.built: node_modules/.ready package.json $(SOURCES)
	@echo "Building the front-end assets"
	@$(ALONE) npm run --silent build
	@touch $@
