# make run        the whole study as executed notebooks, in outputs/$(PROFILE)/
# make test       lint, types, contracts and tests; a smoke run of every notebook and browser tests included
# make lab        JupyterLab on copies of the notebooks, in outputs/lab/; remove that folder for fresh ones
# make site       README, executed notebooks, tables and docstrings as pages: build/site/index.html
# make reference  the executed notebooks and tables that the README shows
# make clean      remove the environment and the outputs, but not outputs/reference, nor what listeners answered

PROFILE ?= quick
DATA_ROOT ?=
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lint lab site reference clean

run: .venv/installed
	$(BIN)/cocola run --profile $(PROFILE) $(if $(DATA_ROOT),--data-root "$(DATA_ROOT)")

test: .venv/installed
	@$(MAKE) --no-print-directory --jobs 2 lint .venv/compiled
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile --durations=15 -m 'not browser'
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile -m browser # by themselves: they watch the clock

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lab: .venv/installed
	@mkdir -p outputs/lab
	@test -d outputs/lab/notebooks || cp -R notebooks outputs/lab/notebooks
	@ln -sfn ../../cocola_lib outputs/lab/cocola_lib # links of the notebooks lead to the source
	$(BIN)/jupyter lab --notebook-dir=outputs/lab outputs/lab/notebooks/00_start_here.ipynb

site: .venv/installed
	$(BIN)/python -m cocola_lib.workshop.site build/site

reference: .venv/installed
	rm -rf outputs/reference
	$(BIN)/cocola run --profile quick --run-dir outputs/reference
	$(BIN)/python -m cocola_lib.workshop.reference

# one environment for everything; made again when the project's dependencies change
.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than 3.11; try make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip # older ones take twice as long
	@# without a banner about editable installations; Python compiles what it imports, not all of 7 GB in advance
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --no-compile --editable ".[test]"
	@touch $@

# what numba compiles and keeps, made once: two processes that compile it at the same time can spoil it
COMPILE := import librosa, numpy, torch; from cocola_lib.features import FrontEnd; x = numpy.zeros(80_000, "f4"); \
	x[::8_000] = 1; librosa.onset.onset_detect(y=x, sr=16_000); librosa.beat.beat_track(y=x, sr=16_000); \
	FrontEnd("hps")(torch.from_numpy(x)[None])
.venv/compiled: .venv/installed
	$(BIN)/python -c '$(COMPILE)'
	@touch $@

clean:
	rm -rf .venv outputs/smoke
	for run in outputs/quick outputs/full; do \
		if [ -d $$run ]; then find $$run -mindepth 1 -maxdepth 1 ! -name listening -exec rm -rf {} +; fi; done
