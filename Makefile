# `make` alone says what there is.  PYTHON=/path/to/python3.12 chooses the interpreter: without it
# the system's own is taken where it is 3.11 or newer (distributions build theirs with
# profile-guided optimisation, which is worth a third of the time), else the first that is found.

PYTHON ?= $(shell for python in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)
BIN = .venv/bin
BENCH =
FUZZ_SECONDS = 60
SOAK =

.DEFAULT_GOAL = help
.PHONY: help demo test check format bench fuzz soak lock clean setup setup-dev peers
.PHONY: conformance pictures

help:
	@echo 'make demo     set up what it needs, place a few calls on this machine, show their ladders'
	@echo 'make test     set up what it needs, run the tests'
	@echo 'make check    what CI runs: format, lint, types, the tests with branch coverage'
	@echo 'make format   put the code into its format, mend what the linter can mend'
	@echo 'make bench    the benchmark against SIPp (BENCH="--help" shows its options)'
	@echo 'make fuzz     damaged messages and random calls for FUZZ_SECONDS=60'
	@echo 'make soak     100,000 calls with faults on all sides (SOAK="--calls 20000", SOAK="--help")'
	@echo 'make conformance   write docs/conformance.md from the docstrings of the tests'
	@echo 'make pictures      draw docs/images from the imports and the demo'
	@echo 'make lock     renew the lock files from pyproject.toml (needs uv)'
	@echo 'make clean    remove .venv, caches and reports'
	@echo
	@echo 'After the demo: .venv/bin/sip-stager --help; .venv/bin/sip-stager example > sip_stager.toml'
	@echo 'PYTHON=/path/to/python3 chooses the interpreter (3.11 or newer).'

demo: setup
	@$(BIN)/sip-stager demo

test: setup-dev peers
	$(BIN)/python -m pytest $(PYTEST)

check: setup-dev peers
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m pytest --cov $(PYTEST)

format: setup-dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: setup-dev peers
	$(BIN)/python -m bench $(BENCH)

fuzz: setup-dev
	$(BIN)/python -m fuzz $(FUZZ_SECONDS)

soak: setup-dev
	$(BIN)/python -m soak $(SOAK)

conformance:
	@"$(PYTHON)" tools/conformance.py

pictures: setup
	@$(BIN)/python tools/draw_architecture.py

setup setup-dev:
	@test -n "$(PYTHON)" || { \
	echo 'sip-stager needs Python 3.11 or newer, and none was found.'; \
	echo 'Debian 12, Ubuntu 24.04 and newer: apt-get install python3. Or: make PYTHON=/path/to/python3'; \
	exit 1; }
	@"$(PYTHON)" tools/bootstrap.py $(if $(filter setup-dev,$@),--dev)

# The peers of the interop tests.  Tests whose peer is missing are left out, and say so; where CI=true
# that is a failure.  Debian starts what it installs: Kamailio's service is kept from it.
peers:
	@$(call peer,sipp,SIPp,sip-tester)
	@$(call peer,kamailio,Kamailio,kamailio)
	@$(call peer,sipsak,sipsak,sipsak)

peer = PATH="$$PATH:/usr/sbin"; command -v $(1) >/dev/null || { test "$$(id -u)" = 0 \
	&& command -v apt-get >/dev/null && echo 'Installing $(2) (Debian package $(3))' \
	&& { test ! -d /run/systemd/system || test $(1) != kamailio || systemctl --quiet mask kamailio; } \
	&& { apt-get install -qy --no-install-recommends $(3) >/dev/null 2>&1 \
	|| { apt-get update -q && apt-get install -qy --no-install-recommends $(3); } >/dev/null 2>&1; }; } \
	|| { echo '$(2) is missing: its interop tests are left out. As root: apt-get install $(3)'; \
	test "$$CI" != true; }

COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command 'make lock' $(LOCK)

# LOCK=--upgrade takes the newest versions.
lock:
	@PATH="$$PWD/$(BIN):$$PATH"; command -v uv >/dev/null || { \
	echo 'make lock needs uv: $(BIN)/python -m pip install uv'; exit 1; }; \
	$(COMPILE) --group build -o requirements-build.lock \
	&& $(COMPILE) pyproject.toml -o requirements.lock \
	&& $(COMPILE) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf .venv .cache .coverage .coverage.* coverage.xml htmlcov bench-results reports build dist *.egg-info
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find sip_stager tests tools -name __pycache__ -prune -exec rm -rf {} +
