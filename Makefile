# `make` alone lists the commands.  PYTHON=/path/to/python3.12 chooses the interpreter.  Without it the
# system's own is taken where it is 3.11 or newer (distributions build theirs with profile-guided
# optimisation, which is worth a third of the time), else the first one found.

PYTHON ?= $(shell for python in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)
BIN = .venv/bin
PREFIX ?= $(if $(filter 0,$(shell id -u)),/usr/local,$(HOME)/.local)
BENCH =
FUZZ_SECONDS = 60
SOAK =
# The tests wait more than they work, for timers and for peers: two at a time, file by file, in the
# order of tests/support/order.py.
SIDE_BY_SIDE = -n 2 --dist loadfile --no-loadscope-reorder

# The tests that run against the compiled core: those of its rooms, and some of whole calls.  -P and its
# like keep the uncompiled package of this folder from being found first.
COMPILED = PYTHONSAFEPATH=1 PYTHONPATH="$(CURDIR)/build/compiled:$(CURDIR)"
COMPILED_TESTS = $(addprefix tests/,sip transaction proxy calls trunks observability assembly test_app.py \
	test_compiled.py $(addprefix interop/test_,good_calls.py dialogs.py cancelled_calls.py))

# Kamailio's place in Debian, and that of the programs which tools/peers.py unpacks.
export PATH := $(PATH):/usr/sbin:$(CURDIR)/.cache/programs

.DEFAULT_GOAL = help
.PHONY: help setup install demo quick test check format bench fuzz soak docs lock clean
.PHONY: build test-compiled
.PHONY: conformance settings pictures links
.PHONY: setup-dev peers

help:
	@echo 'make demo     set up what it needs, place a few calls on this machine, show their ladders'
	@echo 'make test     set up what it needs, run all tests'
	@echo 'make setup    set up .venv with the locked packages and the program'
	@echo 'make install  the same, and put the command on the PATH (PREFIX=$(PREFIX))'
	@echo
	@echo 'make quick    the tests of the core alone, in under a minute'
	@echo 'make check    what CI runs: format, lint, types, the tests with branch coverage'
	@echo 'make build    compile the core: a wheel in dist/, the same in build/compiled (needs a C compiler)'
	@echo 'make test-compiled   the tests of the core, and of whole calls, against build/compiled'
	@echo 'make format   put the code into its format, fix what the linter can fix'
	@echo 'make bench    the benchmark against SIPp (BENCH="--help" shows its options)'
	@echo 'make fuzz     damaged messages and random calls for FUZZ_SECONDS=60'
	@echo 'make soak     100,000 calls with faults on all sides (SOAK="--calls 20000", SOAK="--help")'
	@echo 'make docs     write what is generated: docs/conformance.md, docs/settings.md, docs/images, line links'
	@echo 'make lock     renew the lock files from pyproject.toml (needs uv; LOCK=--upgrade)'
	@echo 'make clean    remove .venv, caches and reports'
	@echo
	@echo 'Then: .venv/bin/sip-stager --help; .venv/bin/sip-stager example > sip_stager.toml'
	@echo 'PYTHON=/path/to/python3 chooses the interpreter (3.11 or newer).'
	@echo 'PYTEST="..." passes options to pytest: make test PYTEST="-x tests/proxy"'

demo: setup
	@$(BIN)/sip-stager demo

quick: setup-dev
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --quick $(PYTEST)

test: setup-dev peers
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(PYTEST)

check: setup-dev peers
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --cov $(PYTEST)

build: setup-dev
	@$(BIN)/python tools/build_compiled.py

test-compiled: build peers
	$(COMPILED) $(BIN)/python -m pytest $(SIDE_BY_SIDE) -o pythonpath= -m 'not patches_core' \
		$(COMPILED_TESTS) $(PYTEST)

format: setup-dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: setup-dev peers
	$(BIN)/python -m bench $(BENCH)

fuzz: setup-dev
	$(BIN)/python -m fuzz $(FUZZ_SECONDS)

soak: setup-dev
	$(BIN)/python -m soak $(SOAK)

# Documents that scripts write; tests/test_generated.py fails where one is not fresh.
docs: conformance settings pictures links

conformance:
	@"$(PYTHON)" tools/conformance.py

settings: setup
	@$(BIN)/python tools/settings_reference.py

links:
	@"$(PYTHON)" tools/line_links.py

pictures: setup
	@$(BIN)/python tools/draw_architecture.py
	@$(BIN)/python tools/draw_demo.py

setup setup-dev:
	@test -n "$(PYTHON)" || { \
	echo 'sip-stager needs Python 3.11 or newer, and none was found.'; \
	echo 'Debian 12, Ubuntu 24.04 and newer: apt-get install python3. Or: make PYTHON=/path/to/python3'; \
	exit 1; }
	@"$(PYTHON)" tools/bootstrap.py $(if $(filter setup-dev,$@),--dev)

# The program stays in this folder; only a link to its command is put on the PATH.
install: setup
	@mkdir -p "$(PREFIX)/bin" && ln -sf "$(CURDIR)/$(BIN)/sip-stager" "$(PREFIX)/bin/sip-stager"
	@echo 'Installed $(PREFIX)/bin/sip-stager. Next: sip-stager example > sip_stager.toml'

peers:
	@"$(PYTHON)" tools/peers.py

COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-strip-extras --no-emit-index-url --no-annotate --custom-compile-command 'make lock' $(LOCK)

# LOCK=--upgrade takes the newest versions.
lock:
	@PATH="$$PWD/$(BIN):$$PATH"; command -v uv >/dev/null || { \
	echo 'make lock needs uv: https://docs.astral.sh/uv/'; exit 1; }; \
	$(COMPILE) --group build -o requirements-build.lock \
	&& $(COMPILE) pyproject.toml -o requirements.lock \
	&& $(COMPILE) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf .venv .cache .coverage .coverage.* coverage.xml htmlcov bench-results reports build dist *.egg-info
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find sip_stager tests bench soak fuzz tools -name __pycache__ -prune -exec rm -rf {} +
