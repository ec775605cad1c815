# On a bare machine: `make run` (the main job: waves in the plane, fifteen minutes on two cores), `make quick` (a small one:
# Burgers, ten minutes) and `make test`.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

# In the tests of the rooms that compute, the types and shapes of arrays are checked at every call. Whole runs are tested as
# people run them: there these checks are a quarter of the time, and find nothing new.
ROOMS := datasets estimators familiarity grids kernels laboratory learners lifts planning problems solvers sources \
	surrogates training uncertainty
comma := ,
space := $(comma) $(comma)
space := $(subst $(comma),,$(space))
TYPED := --jaxtyping-packages=$(subst $(space),$(comma),$(ROOMS:%=mlft.%)),mlft.diagnostics,typechecker.check
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -q --dist loadfile --durations=25 --durations-min=5

# Whole runs wait, for processes of their own and for time to pass: four at least take turns. Files go in their order, in
# which the slow ones of benchmarks come first.
WAITING := -n $$($(BIN)/python -c 'import os; print(max(4, os.cpu_count()))') --no-loadscope-reorder

.PHONY: run quick test types layers docs clean

# Large fields: patches of 8 x 8 points are channels of a coarser grid, and two threads train.
run: $(STAMP)
	$(BIN)/mlft run helmholtz --budget 64solves --set dimension=2 --set cells=256 --set contrast=0.9 --set decay=0 \
		--strategy lift --seed 0 --network patch=8 --network 'modes=[10,10]' --train batch=8 --train most=1500 \
		--symmetry none --threads 2 --out runs/helmholtz
	@echo "open runs/helmholtz/report.html"

quick: $(STAMP)
	$(BIN)/mlft run burgers --budget 64solves --set cells=256 --set levels=4 --strategy lift --seed 0 \
		--baselines finest-only --out runs/burgers
	@echo "open runs/burgers/report.html"

test: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(MAKE) --no-print-directory --jobs 2 types layers docs
	$(PYTEST) -n auto $(TYPED) $(ROOMS:%=tests/%)
	$(PYTEST) $(WAITING) --doctest-modules tests src $(ROOMS:%=--ignore=tests/%)

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports

# Strict: a link or a name that leads nowhere ends it. `make test` builds it too, and runs the pages' code.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "open site/index.html"

# torch first: with it in place nothing asks for the CUDA builds. Compiled with all cores, where pip takes one; a file for
# another version of Python does not compile, and is none of ours.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[dev]'
	$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' .venv/lib || true
	touch $(STAMP)

clean:
	rm -rf .venv site
