# Two commands set everything up: `make run` and `make test`. Python 3.11 or newer, git and make suffice.
PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
BIN := .venv/bin

unexport PYTHONPATH PYTHONHOME PYTHONWARNINGS MPLBACKEND  # of the user's shell: here, the lock files decide

.DEFAULT_GOAL := help
.PHONY: $(shell sed -nE 's/^([a-z][a-z0-9.-]*):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help:  ## this list
	@grep -hE '^[a-z0-9.-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

run: .venv/run.lock  ## the analysis of config/config.yaml, with all cores
	$(BIN)/snakemake --cores $(CORES)

test: .venv/test.lock  ## all tests but the slow ones, fast ones first, in two processes: about 10 minutes
	@echo 'About 10 minutes on two cores: unit tests first (2 minutes), then whole studies and a browser.'
	$(BIN)/pytest -m "not slow" --numprocesses=2 --dist=loadfile --no-loadscope-reorder

test-slow: .venv/test.lock  ## whole studies: through SLURM, as fMRIPrep leaves them
	$(BIN)/pytest -m slow --numprocesses=2 --dist=loadfile

test-nilearn-0.14: .venv-oracle/oracle.lock  ## unit tests against the newer nilearn, in an environment of its own
	.venv-oracle/bin/pytest --numprocesses=2 --dist=loadfile tests/unit

check: .venv/test.lock  ## lint, format, types, workflow lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint

benchmark: .venv/run.lock  ## the workflow against nilearn's script, three sizes of study: about 40 minutes
	$(BIN)/python tests/benchmarks/benchmark.py

benchmark-subjects: .venv/run.lock  ## twenty subjects of fMRIPrep's size on two cores: about 15 minutes
	$(BIN)/python tests/benchmarks/subjects.py

benchmark-kernels: .venv/run.lock  ## resampling against scipy, fit against nilearn's run_glm
	$(BIN)/python tests/benchmarks/kernels.py

benchmark-trials: .venv/run.lock  ## single trials against a loop of nilearn's fits
	$(BIN)/python tests/benchmarks/single_trials.py

benchmark-scaling: .venv/run.lock  ## time and memory against scans, voxels and runs: about 10 minutes
	$(BIN)/python tests/benchmarks/scaling.py

benchmark-scale: .venv/run.lock  ## what planning costs with up to 3,000 subjects
	$(BIN)/python tests/benchmarks/scale.py

compare-presets: .venv/run.lock  ## what each difference between the presets does, on simulated truth
	$(BIN)/python tests/validation/presets.py

compare-regressors: .venv/run.lock  ## regressors of each sampling against the exact response
	$(BIN)/python tests/validation/regressors.py

compare-trial-noise: .venv/run.lock  ## single trials with each noise model, on known noise: a minute of CPU time
	$(BIN)/python tests/validation/trial_noise.py

faults: .venv/test.lock  ## kill 52 runs at random, fill the disk, turn the clock back, compare bytes
	$(BIN)/pytest tests/faults --draws 52 -rs

validate: .venv/test.lock  ## the statistics on known truth: 9 minutes of CPU time
	$(BIN)/python tests/validation/validate.py

validate-noise: .venv/test.lock  ## noise models side by side on known noise: hours; goes on where it stopped
	$(BIN)/python tests/validation/noise_models.py --facts --page docs/validation.md --picture resources/noise_models.png

screenshots: run  ## pictures of the default study's report for the README (needs Chromium)
	$(BIN)/python tests/browser/screenshots.py

.SECONDEXPANSION:
.venv/run.lock .venv/test.lock .venv-oracle/oracle.lock: envs/$$(@F).txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	cp $< $@

catalogue: .venv/test.lock  ## docs/wrong-inputs.md, from the tests of wrong inputs
	$(BIN)/pytest tests/faults/test_catalogue.py --write-catalogue

lock:  ## resolve pyproject.toml anew into the lock files (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate pyproject.toml --output-file envs/run.lock.txt
	uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --extra test --constraint envs/run.lock.txt \
	  pyproject.toml --output-file envs/test.lock.txt
	cp envs/test.lock.txt envs/oracle.lock.txt # the same versions, where the other nilearn allows them
	uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --group oracle --output-file envs/oracle.lock.txt

licences: .venv/run.lock  ## the licence of each package of the run lock, as the package says it
	$(BIN)/python envs/licences.py

clean:  ## remove what the analysis made, but not the data
	rm -rf results logs benchmarks
