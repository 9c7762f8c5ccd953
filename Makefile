# Two commands do all the set-up: `make demo` and `make test`. Both make .venv from the lock file.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
# No hub is asked while everything needed lies here; `HF_HUB_OFFLINE=0 make demo` asks one.
export HF_HUB_OFFLINE ?= 1

.PHONY: demo story test test-slow soak lint format audit lock data base clean

demo: $(READY) data  ## one cycle of the example task through the flow
	$(BIN)/pawl run tickets || test $$? -le 4 -a $$? -ge 3

story: $(READY) data  ## three deliveries: promote, promote, reject; roll back and forward
	$(BIN)/python examples/story.py

# A process a core, each with one thread; a file's tests share what is dear to make.
test: $(READY) data  ## the everyday tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile \
	  -m "not slow and not gpu" $(COVERAGE)

test-slow: $(READY) data  ## the tests that take minutes
	$(BIN)/python -m pytest -m "slow and not gpu"

soak: $(READY) data  ## faults by the thousand, checked by a second opinion; some hours
	$(BIN)/python bench/faults.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

audit: $(READY)  ## every pinned version against an advisory feed; AUDIT='--osv-url URL' names another
	$(BIN)/python .ci/audit.py $(AUDIT)

data: $(READY)  ## base and example data, from the DVC remote inside this repository
	@mkdir -p -m 700 .pawl/dvc  # DVC would keep its pickles where everybody may write
	@$(BIN)/dvc config --local core.site_cache_dir "$(CURDIR)/.pawl/dvc"
	$(BIN)/dvc pull --quiet base/tiny.dvc data/tickets.jsonl.dvc \
	  examples/tickets/v1.jsonl.dvc examples/tickets/v2.jsonl.dvc examples/tickets/v3.jsonl.dvc

base: $(READY)  ## pretrain the tiny base again (examples/tiny_base/README.md says how long)
	$(BIN)/python examples/tiny_base/build.py --out base/tiny

# Needs `uv` on the PATH. The markers that all lines share are cut off.
lock:
	uv pip compile pyproject.toml --extra train --extra pipeline --extra dev --extra bench \
	  --universal --python-version 3.11 --no-header --no-annotate --upgrade --output-file .lock
	@sed -n '/^#/p' requirements.lock > .lock.head
	@sed "s/ and sys_platform != 'emscripten'//g; s/ ; python_full_version < '3.14'$$//; \
	  s/ ; python_full_version < '3.14' and / ; /" .lock | cat .lock.head - > requirements.lock
	@rm .lock .lock.head

clean:
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("python 3.11 to 3.13 is needed, found " + sys.version.split()[0] + "; name one: make PYTHON=python3.12" if not (3, 11) <= sys.version_info < (3, 14) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c requirements.lock -e '.[train,pipeline,dev]'
	@touch $(READY)
