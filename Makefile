# Everything here runs in .venv or in tox's environments, on a machine with Python 3.11 or newer, gcc and make.
#
#   make demo      build, start a simulated cluster and the daemon on it, print what to try; Ctrl-C stops both
#   make test      the whole suite: release and debug builds, lint, typing
#   make develop   build in place into .venv, with everything that tests need
#
# make demo DEMO_FLAGS="--nodes=100", make test TOX_FLAGS="-e debug -- tests/unit/wire" and so on.

# The first interpreter that is new enough.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)

BIN = .venv/bin
COMPILED = setup.py pyproject.toml $(shell find heapfast -name '*.pyx' -o -name '*.pxd')

.PHONY: demo test develop lint typing debug sanitize coverage annotate fuzz soak bench pythons clean

demo: .venv/.built
	$(BIN)/heapfast demo $(DEMO_FLAGS)

test: .venv/.tox
	$(BIN)/tox run $(TOX_FLAGS)

develop: .venv/.tox
	$(BIN)/pip install --quiet --editable '.[test,lint,typing]'

lint typing debug sanitize coverage annotate fuzz soak bench: .venv/.tox
	$(BIN)/tox run -e $@

# The release suite on every Python that the machine has.
pythons: .venv/.tox
	$(BIN)/tox run -m pythons

clean:
	rm -rf build .tox .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find heapfast bench tests -name __pycache__ -prune -exec rm -rf {} +
	find heapfast -name '*.so' -delete

.venv/.python:
	@test -n "$(PYTHON)" || { echo "heapfast needs Python 3.11 or newer; make PYTHON=/path/to/python names one"; exit 1; }
	$(PYTHON) -m venv .venv
	touch $@

.venv/.tox: .venv/.python
	$(BIN)/pip install --quiet 'tox>=4.20'
	touch $@

.venv/.built: .venv/.python $(COMPILED)
	@echo "building heapfast into .venv: a minute or two"
	$(BIN)/pip install --quiet --editable .
	touch $@
