.DEFAULT_GOAL := help
SHELL := /bin/bash
PY := .venv/bin/python

.venv/ready: requirements/dev.txt
	test -x .venv/bin/python || python3 -m venv .venv
	test -x .venv/bin/uv || .venv/bin/python -m pip -q install uv==0.13.8
	VIRTUAL_ENV=$(CURDIR)/.venv .venv/bin/uv pip sync -q --require-hashes requirements/dev.txt
	touch $@

.PHONY: help lint lock
help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

lint: .venv/ready ## ruff, mypy, import-linter, sizes, templates
	.venv/bin/ruff check . && .venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/mypy .
	$(PY) tests/house/sizes.py
	.venv/bin/djlint --lint templates

lock: ## resolve the dependencies again
	.venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements/app.txt
	.venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --group dev pyproject.toml -c requirements/app.txt -o requirements/dev.txt
