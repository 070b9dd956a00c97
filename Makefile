# Every step that a maintainer takes. `make help` lists them; nothing but Python 3.11+ and make is assumed.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SPEC := openapi/smarterproctoring.yaml
SOURCES := generated overrides mock bulk tests tools benchmarks
# Proves what is here, not what the machine's pip happens to be configured for.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_PYTHON_DOWNLOADS := never
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# -- set-up --------------------------------------------------------------------------------------------------------

.PHONY: venv
venv: $(READY)  ## make .venv with the locked dependencies (done by every target that needs it)

$(READY): requirements/bootstrap.txt requirements/dev.txt pyproject.toml
	@command -v "$(PYTHON)" >/dev/null || { echo "error: $(PYTHON) not found; set PYTHON=/path/to/python3.11 or newer" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"error: Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}; set PYTHON=…")'
	@echo "setting up $(VENV)"
	@"$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/bootstrap.txt
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# npm is needed by the type gate only; the lock holds hashes.
node_modules/.ready: package.json package-lock.json
	@command -v npm >/dev/null || { echo "error: this step needs npm (Node.js 18 or newer) for pyright; install it and run make again" >&2; exit 1; }
	@npm ci --silent --no-audit --no-fund
	@touch $@

.PHONY: lock
lock: $(READY)  ## resolve the dependencies anew and lock them with hashes
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --upgrade \
	    --python-version 3.11 --extra cli --extra mock --extra bulk --group dev pyproject.toml --output-file requirements/dev.txt
	sed -n '/^uv==/,/^[a-z]/p' requirements/dev.txt | sed '$${/^uv==/!d}' | grep -v '# via' > requirements/bootstrap.txt

# -- the main job ---------------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(READY)  ## move one exam session on the embedded mock server and show what happened
	@$(BIN)/python tools/demo.py

.PHONY: mock
mock: $(READY)  ## run the mock server until Ctrl-C; ARGS="--port 8080 --token secret" pass options
	@$(BIN)/smarterproctoring mock $(ARGS)

# -- from the spec to the code --------------------------------------------------------------------------------------

.PHONY: generate
generate: $(READY)  ## regenerate generated/ from the spec: aside, checked, then swapped
	@$(BIN)/python tools/generate.py

.PHONY: check-generated
check-generated: $(READY)  ## fail if generated/ is not exactly what the spec gives
	@$(BIN)/python tools/generate.py --check

# -- gates ------------------------------------------------------------------------------------------------------------

.PHONY: lint
lint: $(READY)  ## ruff over all hand-written code, and the spec's own validity
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "error: not formatted; run: make format" >&2; exit 1; }
	@$(BIN)/openapi-spec-validator --subschema-errors all $(SPEC)

.PHONY: format
format: $(READY)  ## format and mend what ruff can mend
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

.PHONY: typecheck
typecheck: $(READY) node_modules/.ready  ## mypy --strict and pyright over generated and hand-written code
	@$(BIN)/mypy $(SOURCES)
	@node_modules/.bin/pyright --pythonpath $(BIN)/python

.PHONY: test
test: $(READY)  ## run all tests
	@$(BIN)/pytest -q $(if $(CI),-n 2,-n auto) $(ARGS)

.PHONY: contract
contract: $(READY)  ## fuzz the mock server from the spec: deterministic, all checks
	@$(BIN)/python tools/contract.py $(ARGS)

.PHONY: fuzz
fuzz: $(READY)  ## the same with random seeds and many more examples; ARGS="--max-examples 5000"
	@$(BIN)/python tools/contract.py --random $(ARGS)

.PHONY: bench-bulk
bench-bulk: $(READY)  ## measure bulk: speed, kill -9, two hosts, a million rows, 429; ARGS="--only speed,kill"
	@$(BIN)/python benchmarks/bench_bulk.py $(ARGS)

.PHONY: simulate-bulk
simulate-bulk: $(READY)  ## simulate 1, 10 and 100 workers, up to a million rows, on a virtual clock
	@$(BIN)/python benchmarks/simulate_bulk.py

.PHONY: build
build: $(READY)  ## build wheel and sdist into dist/
	@rm -rf dist
	@$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist .
	@ls -l dist

.PHONY: clean
clean:  ## remove everything that make has made
	rm -rf $(VENV) build dist node_modules .cache .hypothesis .pytest_cache .mypy_cache .ruff_cache .schemathesis
