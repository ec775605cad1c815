# Two targets do everything on a bare machine: `make run` (the main job, on Burgers) and `make test`.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: run test clean

run: $(STAMP)
	$(BIN)/mlft run burgers --budget 64solves --set cells=256 --set levels=4 --seed 0 --baselines finest-only --out runs/burgers
	@echo "open runs/burgers/report.html"

test: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -n auto --doctest-modules src tests

# torch first: with it in place nothing asks for the CUDA builds.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)

clean:
	rm -rf .venv
