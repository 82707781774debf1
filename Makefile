# auscult: `make` or `make help` lists what can be done.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
# The first interpreter that is new enough; `make PYTHON=/path/to/python ...` chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
# A site's package index, set for pip, holds for uv as well.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif
export UV_PYTHON_DOWNLOADS := never
INSTALL := $(UV) pip install --python $(BIN)/python --quiet
# What Python has compiled is kept: tests start hundreds of processes, and each would compile every module again.
export PYTHONDONTWRITEBYTECODE :=
# Compiled once here, rather than by each process that starts where Python may not write what it compiled.
LOCKED := $(INSTALL) --compile-bytecode --require-hashes
# Tests of one file run in one worker, in the order of the files: the long journeys begin early and the short tests fill
# the end. `make test TEST_ARGS="-n 0"` runs all one after the other.
PYTEST := $(BIN)/python -m pytest
SPREAD := --dist loadfile --no-loadscope-reorder
WORKERS := -n 2 $(SPREAD)
# The short tests wait for processes half of the time: more workers than the two cores that they are made for.
MORE_WORKERS := -n 4 $(SPREAD)
# Their files lie in memory where there is room and programs may run: each ledger and object is brought safely to disk.
IN_MEMORY := $(shell df -Pk /dev/shm 2> /dev/null | awk 'NR == 2 && $$4 > 6000000' | grep -q . \
	&& ! grep -q '^[^ ]* /dev/shm [^ ]* [^ ]*noexec' /proc/mounts && echo TMPDIR=/dev/shm)

# What the demo needs, and what development and tests need besides (torch among it).
BASE := $(VENV)/.stamp-base
TEST := $(VENV)/.stamp-test

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(BASE) ## Forward radiographs through the whole service; IMAGES=folder takes your own (DICOM, PNG, JPEG)
	@$(BIN)/auscult demo $(DEMO_ARGS) $(if $(IMAGES),"$(IMAGES)")

.PHONY: setup
setup: $(TEST) ## Install everything for development and tests into .venv

.PHONY: test
test: $(TEST) ## Install what tests need and run them; TEST_ARGS go to pytest
	@$(IN_MEMORY) $(PYTEST) -m "not slow" $(MORE_WORKERS) $(TEST_ARGS)

.PHONY: campaign
campaign: ## Run the long tests, whose bounded versions are in `make test`: storms, then long
	@$(MAKE) --no-print-directory storms
	@$(MAKE) --no-print-directory long

.PHONY: storms
storms: $(TEST) ## Run the long campaigns (crashes, fuzz, overload, soak), each with the machine to itself
	@$(PYTEST) -m slow tests/campaigns $(TEST_ARGS)

.PHONY: long
long: $(TEST) ## Run the other long tests: journeys, training, the image
	@$(PYTEST) -m slow --ignore=tests/campaigns $(WORKERS) $(TEST_ARGS)

# The campaigns at length; docs/proof.md says what each does.
CRASH_ARGS = $(if $(MODE),--mode $(MODE)) $(if $(IMAGES),--images $(IMAGES)) $(if $(FAULTS),--faults $(FAULTS)) $(if $(PAUSE),--pause $(PAUSE))
SEED ?= 1

.PHONY: crash
crash: $(TEST) ## Kill processes and take servers away while images stream in; MODE=embedded|celery IMAGES FAULTS PAUSE SEED
	@$(BIN)/python -m tests.campaigns.crash --seed $(SEED) $(CRASH_ARGS)

.PHONY: hosts
hosts: $(TEST) ## The same on twelve hosts: cables cut, packets lost, clocks set, programs that stand still (root); IMAGES FAULTS PAUSE SEED
	@$(BIN)/python -m tests.campaigns.crash --mode hosts --seed $(SEED) $(CRASH_ARGS) $(if $(PAUSE),,--pause 1.2)

.PHONY: power
power: $(TEST) ## Cut the power of a file system while images stream in, with fsync and without (root); CUTS=100 SEED=1
	@$(BIN)/python -W ignore -m tests.campaigns.power --cuts $(or $(CUTS),100) --seed $(SEED)

.PHONY: fuzz
fuzz: $(TEST) ## Send broken messages and objects; NUMBER=20000 OBJECTS=1000 GUIDED=1000000 SEED=1
	@$(BIN)/python -m tests.campaigns.fuzz --number $(or $(NUMBER),20000) --seed $(SEED)
	@$(BIN)/python -m tests.campaigns.fuzz_hl7 --number $(or $(NUMBER),20000) --seed $(SEED)
	@$(BIN)/python -W ignore -m tests.campaigns.objects $(or $(OBJECTS),1000) $(SEED)
	@mkdir -p build/guided
	@if $(BIN)/python -c "import atheris" 2>/dev/null; \
		then $(BIN)/python -m tests.campaigns.guided $(or $(GUIDED),1000000) $(SEED) build/guided; \
		else echo "left out: the fuzzer led by coverage; atheris is not made for this Python or machine"; fi

.PHONY: overload
overload: $(TEST) ## Send four times as many images as can be analysed; SECONDS=180 MODE=embedded|celery
	@$(BIN)/python -m tests.campaigns.overload --seconds $(or $(SECONDS),180) $(if $(MODE),--mode $(MODE))

.PHONY: soak
soak: $(TEST) ## Run at a steady rate while health checks knock; SECONDS=1200 RATE=0.5 MODE=embedded|celery
	@$(BIN)/python -m tests.campaigns.soak --seconds $(or $(SECONDS),1200) --rate $(or $(RATE),0.5) $(if $(MODE),--mode $(MODE))

.PHONY: quirks
quirks: $(TEST) ## Try what real devices, archives and strangers send on a running auscult; COLLECTION=operators tries one
	@$(BIN)/python -m tests.quirks $(COLLECTION)

.PHONY: check
check: $(TEST) ## Format, lint, types, import arrows, licences, known vulnerabilities, then the tests
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(MAKE) --no-print-directory licences
	@$(MAKE) --no-print-directory audit
	@$(MAKE) --no-print-directory test

.PHONY: licences
licences: $(TEST) ## Fail when a package of the base set is under the GPL or AGPL, or has no known licence
	@$(BIN)/pip-licenses --python $(BIN)/python --from=mixed --format=csv \
		--packages $$(sed -nE 's/^([A-Za-z0-9._-]+)(\[[a-z,]+\])?==.*/\1/p' requirements/base.txt) \
		| awk -F'","' 'NR > 1 && $$3 ~ /(^|[^L])GPL|GNU General|Affero|UNKNOWN/ { print "licence not allowed in the base set: " $$0; bad = 1 } \
			END { if (NR < 20) { print "pip-licenses listed only " NR - 1 " packages"; bad = 1 } exit bad }'

.PHONY: audit
audit: $(TEST) ## Look the base and the GPU set up among known vulnerabilities, where their source can be reached
	@$(BIN)/python requirements/audit.py

.PHONY: sbom
sbom: $(TEST) ## Write what the service installs as CycloneDX, with hashes, for processors and for a GPU: build/sbom-*.json
	@mkdir -p build
	@for set in base gpu; do PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements "requirements/$$set.txt" \
		--pyproject pyproject.toml --mc-type application --output-reproducible --validate --of JSON -o "build/sbom-$$set.json"; done

.PHONY: format
format: $(TEST) ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

.PHONY: docs
docs: $(TEST) ## Write the generated parts of the documents anew
	@$(BIN)/python -m docs.generate

.PHONY: pictures
pictures: $(TEST) ## Run the demo and take the README's pictures and table of it (chromium)
	@$(BIN)/python -m docs.pictures

.PHONY: bench
bench: $(TEST) ## Run the benchmarks; each prints its table, and most write it into docs/performance.md, of which capacity.md follows
	@for script in benchmarks/bench_*.py; do \
		echo "== $$script"; $(BIN)/python -m "benchmarks.$$(basename "$$script" .py)"; done
	@$(BIN)/python -m docs.generate

.PHONY: lock
lock: $(BASE) ## Write requirements/*.txt anew from pyproject.toml, with hashes and without index addresses; LOCK_ARGS=--upgrade renews
	@$(BIN)/python requirements/lock.py $(LOCK_ARGS)

.PHONY: clean
clean: ## Remove caches and build products; .venv and data stay
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(UV): requirements/uv.txt
	@[ -n "$(PYTHON)" ] || { echo "auscult needs Python 3.11 or newer; none was found. Install one, or name it: make PYTHON=/path/to/python"; exit 1; }
	@[ -x $(BIN)/python ] || { echo "creating $(VENV)"; $(PYTHON) -m venv $(VENV); } \
		|| { rm -rf $(VENV); echo "$(PYTHON) cannot create a virtual environment; on Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(BIN)/python -m ensurepip > /dev/null
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(BASE): $(UV) requirements/base.txt pyproject.toml
	@echo "installing what the service needs (requirements/base.txt)"
	@$(LOCKED) -r requirements/base.txt
	@$(INSTALL) --no-deps --editable .
	@touch $@

$(TEST): $(UV) requirements/test.txt pyproject.toml
	@echo "installing what development and tests need (requirements/test.txt; torch makes it large)"
	@$(LOCKED) -r requirements/test.txt
	@$(INSTALL) --no-deps --editable .
	@touch $@ $(BASE)
