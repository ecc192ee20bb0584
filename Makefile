# Everything here needs python3 and make; the rest is installed into .venv, or as root by apt.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.complete

.PHONY: help demo test hosts unit-then-machine containers machine test-vm test-vagrant faults check format unit shells docs bench lock clean

help:
	@echo 'make demo    watch plan, apply, verify, score and rollback on a throw-away host'
	@echo 'make test    the suite; as root also on real hosts'
	@echo 'make test-vm all tests on a virtual machine, also those that take long where it is emulated'
	@echo 'make test-vagrant  up, apply, reboot, verify and rollback through Vagrant and libvirt'
	@echo 'make faults  cut changes off at every write, and count what hosts survive (as root)'
	@echo 'make check   lint, types, import rules, shell scripts, quick unit tests'
	@echo 'make bench   remote commands and times, beside plain pyinfra'
	@echo 'make docs    write the generated pages again'
	@echo 'make format  put the code into the usual shape'
	@echo 'make lock    choose the newest dependencies again'

$(STAMP): requirements/dev.txt pyproject.toml scripts/venv.sh
	@PYTHON='$(PYTHON)' sh scripts/venv.sh

demo: $(STAMP)
	@$(BIN)/python scripts/demo.py

# Containers mostly wait; unit tests and the virtual machine keep the other processor busy meanwhile.
test: $(STAMP)
	@$(MAKE) --no-print-directory -j 2 containers unit-then-machine

unit-then-machine:
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory machine

hosts: $(STAMP)
	@$(MAKE) --no-print-directory -j 2 containers machine

containers: $(STAMP)
	@$(BIN)/python -m pytest tests/hosts -n 2 --dist loadfile -q -m 'not vm'

machine: $(STAMP)
	@OPTIMIZER_CUTS=1 $(BIN)/python -m pytest tests/hosts -q -m 'vm and not slow'

test-vm: $(STAMP)
	@$(BIN)/python -m pytest tests/hosts -q -m vm

test-vagrant: $(STAMP)
	@$(BIN)/python -m pytest tests/vagrant -q

faults: $(STAMP)
	@$(BIN)/python -m tests.hosts.faults

check: $(STAMP) shells
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python scripts/shellcheck.py
	@$(BIN)/python -m pytest tests/unit -n 2 -q -m 'not slow'

unit: $(STAMP) shells
	@$(BIN)/python -m pytest tests/unit -n 2 -q

shells: $(STAMP)
	@$(BIN)/python scripts/shells.py

bench: $(STAMP)
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench.redis
	@$(BIN)/python -m bench.postgresql
	@$(BIN)/python -m bench.node

docs: $(STAMP)
	@PYTHON=$(BIN)/python sh scripts/docs.sh

format: $(STAMP)
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

lock:
	@sh scripts/lock.sh

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
