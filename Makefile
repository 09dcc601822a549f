# The commands a newcomer needs; each does what is missing before it and says what it does.

PYTHON3 ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help run setup test check bench bundle lock fmt generate

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

run:  ## start everything on http://127.0.0.1:8000 (the first time installs what is needed)
	@$(PYTHON3) app/bootstrap.py run
	@exec ./guanjia run

setup:  ## the environment for development, without starting anything
	@$(PYTHON3) app/bootstrap.py dev

test: setup  ## all tests, the browser tests included
	@$(BIN)/python -m app.frontend_build
	@$(BIN)/python -m tests.chromium
	$(BIN)/pytest -n auto --dist loadfile $(ARGS)

check: setup  ## formatter, linter, types, import directions, freshness of generated files
	@$(BIN)/python -m app.check

bench: setup  ## benchmarks; ONLY=name runs one
	@$(BIN)/python -m app.frontend_build
	./guanjia bench $(if $(ONLY),--only $(ONLY))

bundle: setup  ## one archive for machines without a network: dist/guanjia-*.tar
	@$(BIN)/python -m app.bundle

generate: setup  ## write the generated files and docs anew
	@$(BIN)/python -m app.generate

fmt: setup  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix --quiet .

# No header: uv would write its command line into it, and with it the address of a private registry.
LOCK := $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links
lock:  ## pin all packages with hashes; ARGS=--upgrade takes newer ones
	@test -x $(BIN)/uv || $(PYTHON3) app/bootstrap.py run
	$(LOCK) $(ARGS) pyproject.toml -o requirements.lock
	$(LOCK) $(ARGS) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	$(LOCK) $(ARGS) --group judge -o requirements-judge.lock
	@$(PYTHON3) app/bootstrap.py dev
