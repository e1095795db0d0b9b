# Commands for development; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help run test test-all mutants torture bench bench-upload screens lint format release audit requirements clean

PYTHON ?= python3
BIND ?= 127.0.0.1:8080
# Tests at a time: more than there are cores, since many wait. 0 is one, with its output.
WORKERS ?= 3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run .nginx .scripts  ## serve the sample files on $(BIND) and print examples
	@GATEWAY_FILES=$${GATEWAY_FILES:-deploy/sample} exec $(BIN)/gateway serve --bind $(BIND) --guide

# Override the shell's setting: otherwise each process that a test starts compiles the
# package again, and each process of pytest the tests.
test test-all mutants: export PYTHONDONTWRITEBYTECODE :=

test: .ready  ## run the tests; container tests only if Docker runs
	$(BIN)/pytest -n $(WORKERS) $(PYTEST_ARGS)

test-all: .ready  ## run all tests on all stacks, before a release
	TORTURE_ROUNDS=20 $(BIN)/pytest -n $(WORKERS) --everything $(PYTEST_ARGS)

mutants: .ready  ## check that tests find mutations; NAMES="links nginx" selects areas
	$(BIN)/python -m tests.mutants $(NAMES)

torture: .ready  ## kill the gateway during uploads and downloads, 200 times each
	TORTURE_ROUNDS=200 $(BIN)/pytest -s --everything --timeout=7200 \
		tests/crash/test_kills.py tests/crash/test_ledger_kills.py

bench: .dev .modules  ## compare the gateway with alternatives; QUICK=1 for short runs
	@deploy/install-packages.sh wrk
	QUICK=$(QUICK) $(BIN)/python -m bench

bench-upload: .dev .nginx  ## compare uploads with nginx's dav module
	$(BIN)/python -m bench.uploads

screens: .ready  ## make screenshots of all pages in docs/screens
	@deploy/install-packages.sh fonts-inter
	$(BIN)/python -m tests.browser.screens $(NAMES)

lint: .dev .modules  ## check style, types, imports and nginx's configuration
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
# Only delivery/accel.py may write X-Accel-* headers.
	! grep -ril --include='*.py' x-accel gateway gunicorn.conf.py | grep -vx gateway/delivery/accel.py
	$(BIN)/python -m tests.mutants --check
	PATH=$(BIN):$$PATH deploy/lint-nginx.sh

format: .dev  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

release: .dev  ## build wheel, sdist and images, with checksums, into dist/
	deploy/make-release.sh

audit: .audit  ## look for known vulnerabilities in the pinned dependencies
	deploy/audit.sh

requirements: .dev  ## pin the newest releases of dependencies, with hashes
	deploy/pin-requirements.sh

clean:  ## delete generated files; var/, with keys and uploads, is kept
	rm -rf $(VENV) dist gateway/web/static/vendor node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@deploy/install-packages.sh python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python deploy/requirements/run.txt deploy/requirements/build.txt pyproject.toml
	$(PIP) -r deploy/requirements/run.txt
	$(PIP) -r deploy/requirements/build.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run deploy/requirements/dev.txt
	$(PIP) -r deploy/requirements/dev.txt
	@touch $@

$(VENV)/.audit: $(VENV)/.dev deploy/requirements/audit.txt
	$(PIP) -r deploy/requirements/audit.txt
	@touch $@

# Only one make installs at a time; another one waits, then finds everything installed.
INSTALL := flock Makefile $(MAKE) --no-print-directory
.PHONY: .dev .audit .ready .nginx .modules .tools .scripts
.dev:
	@$(INSTALL) $(VENV)/.dev
.audit:
	@$(INSTALL) $(VENV)/.audit
.ready:
	@$(INSTALL) $(VENV)/.dev .tools .scripts
.nginx:
	@deploy/install-packages.sh nginx
# For files in a bucket.
.modules: .nginx
	@deploy/install-packages.sh libnginx-mod-http-headers-more-filter
.tools: .modules
	@deploy/install-packages.sh chromium chromium-driver curl faketime openssl pcre2-utils pgbouncer php-cli postgresql prometheus python3-seccomp ruby systemd zsh
# $(VENV)/.dev includes npm; without npm, pages upload with the plain form.
.scripts:
	@deploy/take-scripts.sh
