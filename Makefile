# Everything runs in .venv, which the first target makes. Python 3.11 or newer and make are all it needs.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check layout docs test-slow campaign benchmark speed readme tutorial

# The main job on the built-in phantom: real frames and the diffusion model, in one table. It says at its end who won, and
# where the picture and the report are. One job on all cores: most of the time goes into one chain, the diffusion model's.
demo: .venv/installed
	env -u ECHOBENCH_CAMUS $(BIN)/echobench compare --generators real,sdm --unet-seeds 1 --jobs 1 \
	  --threads $$($(BIN)/python -c 'import os; print(os.cpu_count())')

test: check
	$(BIN)/pytest -n 2

check: .venv/installed layout
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd build/layout && MYPYPATH=. ../../$(BIN)/mypy --num-workers 2 --config-file ../../pyproject.toml -p echobench
	cd build/layout && PYTHONPATH=. ../../$(BIN)/lint-imports --config ../../pyproject.toml --no-cache

# mypy, import-linter and mkdocstrings cannot follow the mapped import names of an editable install: they look at a
# folder that is laid out as the import names are.
layout:
	mkdir -p build/layout/echobench
	for folder in benchmark data generators results segmentation; do ln -sfn ../../../$$folder build/layout/echobench/$$folder; done
	for file in __init__.py __main__.py py.typed; do ln -sfn ../../../benchmark/api/$$file build/layout/echobench/$$file; done

# The documentation as a web site in build/site; a broken link or reference is an error. A test of `make test` does this too.
docs: .venv/installed layout
	$(BIN)/mkdocs build --strict
	@echo open build/site/index.html

# Scientific checks, some ten minutes on two idle cores and 8 GB of memory: the published network at its full size; a
# committed record made again from nothing and scored again; with ECHOBENCH_CAMUS set, a short training on real frames.
test-slow: .venv/installed
	$(BIN)/pytest -m slow

# 10,000 changed inputs for every reader, some ten minutes on one idle core. What is found is repeated by the options
# that are printed beside it.
campaign: .venv/installed
	$(BIN)/python -m tests.campaign fuzz --cases 10000
	$(BIN)/python -m tests.campaign kills
	$(BIN)/python -m tests.campaign soak

# Timings, on every core; what they print is images per second.
benchmark: .venv/installed
	env OMP_NUM_THREADS=$$($(BIN)/python -c 'import os; print(os.cpu_count())') $(BIN)/pytest --benchmark-only -s

# The drawing speeds of docs/results/speed.md: minutes, on a machine with nothing else to do. test_speed.py says what can be
# chosen, such as ECHOBENCH_SPEED_PRESET=paper. The file of a GPU is speed-…-cuda.csv: call it after the GPU, as -h200.
speed: .venv/installed
	env OMP_NUM_THREADS=$${OMP_NUM_THREADS:-$$($(BIN)/python -c 'import os; print(os.cpu_count())')} \
	  ECHOBENCH_SPEED_OUT=results/measured/speed-$(or $(ECHOBENCH_SPEED_PRESET),standard)$(addprefix -,$(ECHOBENCH_SPEED_DEVICE)).csv $(BIN)/pytest tests/generators/test_speed.py --benchmark-only -s

# Answer, tables and figures of README and docs/ from the measured records.
readme: .venv/installed
	$(BIN)/python -m echobench.benchmark.readme README.md docs results/measured

# Every command of the tutorial typed anew, with what it answers: a quarter of an hour.
tutorial: .venv/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python docs/typed.py docs/tutorial.md

# Bytecode is made of what echobench imports, not of every package: it saves a minute.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev,docs]'
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -W ignore -c \
	  'import echobench.benchmark.cells.compare, echobench.benchmark.cells.ray, echobench.benchmark.cells.slurm'
	touch $@
