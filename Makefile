# `make` alone prints what there is. ARGS="..." passes more words to the program that a target starts.
SHELL := /bin/bash
PY := .venv/bin/python
UV_COMPILE = .venv/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
  --python-version 3.11 --upgrade
.PHONY: help run test check laws bench bench-rules lock format clean

help: ## Print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

run: ## Set everything up and watch the demo park: console, broker and history on this machine
	@scripts/setup.sh run
	@exec .venv/bin/hazwatch up --demo --data data $(ARGS)

test: ## All there is to check, on real parts: linters, the page, the whole test suite
	@scripts/setup.sh test
	@scripts/test.sh all $(ARGS)

check: ## The quick part of it, under 3 minutes: formats, linters, types, imports, unit tests
	@scripts/setup.sh check
	@scripts/test.sh quick $(ARGS)

laws: ## The laws of the two folds with ten times the examples
	@scripts/setup.sh test
	@HAZWATCH_LAWS=10 $(PY) -m pytest --timeout 3600 $$(grep -rl tests.laws.settings tests --include 'test_*.py') $(ARGS)

bench: ## Drive the whole pipeline at rising rates and print what it sustains
	@scripts/setup.sh test
	@exec .venv/bin/hazwatch bench $(ARGS)

bench-rules: ## Measure every rule kind on one core, and plain Python beside it
	@scripts/setup.sh check
	@exec .venv/bin/hazwatch bench-rules $(ARGS)

lock: ## Bring the locked packages up to date
	@scripts/setup.sh check
	@printf 'setuptools>=80\nuv\n' | $(UV_COMPILE) --no-annotate - -o requirements-build.lock >/dev/null
	@$(UV_COMPILE) pyproject.toml -o requirements.lock >/dev/null
	@$(UV_COMPILE) pyproject.toml --group dev -o requirements-dev.lock >/dev/null
	@git --no-pager diff --stat -- '*.lock'

format: ## Format the code and mend what the linter can mend
	@scripts/setup.sh check
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

clean: ## Delete all that was made or fetched, but not the data of `make run`
	@rm -rf .venv .cache console/static console/web/node_modules tests/parts/timescale/node_modules build dist *.egg-info
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
