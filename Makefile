# make test, make demo, make docs, make validate, make release: each does all of its set-up by itself, in .venv
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
# in one pip call, so that the torch which openmmtorch needs is the one chosen
EXTRAS := dev,ase,openmmml,train,build,plot,teacher,xtb,label,metis,torchforce,completion,docs,release

export OMP_NUM_THREADS ?= 2
export MKL_NUM_THREADS ?= $(OMP_NUM_THREADS)
export OPENMM_CPU_THREADS ?= $(OMP_NUM_THREADS)

.PHONY: test demo docs validate release lint format clean

# small boxes: two threads wait for each other longer than they work, and so two processes work
test: export OMP_NUM_THREADS := 1
test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

demo: $(STAMP)
	$(BIN)/python scripts/demo.py

docs: $(STAMP)
	$(BIN)/python -m sphinx -E -W -n --keep-going -c docs . build/site

validate: $(STAMP)
	$(BIN)/openmm-cgaa validate systems/ec_emc_lipf6/validation.yaml --short

# uploads nothing; make release ARGS="--rehearsal --python 3.12 --skip-missing"
release: $(STAMP)
	$(BIN)/python scripts/release.py $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist demo *.egg-info .pytest_cache .ruff_cache .mypy_cache

# Python compiles what is imported, which is a small part of it
$(STAMP): pyproject.toml openmm_cgaa/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed; try make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --no-compile -e '.[$(EXTRAS)]'
	touch $@
