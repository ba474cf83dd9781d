"""What every start of Snakemake does to its own process."""

import gc

import pytest

from firstlevel.plan import start

N_OBJECTS = 1_000_000
"""That stay, as do the jobs and files of some hundred subjects."""


@pytest.fixture
def searches():
    """Generations that Python searches for garbage, in a list that grows; its thresholds are put back."""
    seen = []

    def note(phase, info):
        if phase == "start":
            seen.append(info["generation"])

    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)
    gc.set_threshold(*before)


@pytest.mark.parametrize("planned", [False, True])
def test_planning_searches_young_objects_alone_for_garbage(searches, planned):
    """All objects of a plan that grows are not searched again and again; its garbage is still found."""
    gc.freeze()  # what earlier tests left behind must not put off a full search
    try:
        if planned:
            start.environment({})
        kept = [[] for _ in range(N_OBJECTS)]
    finally:
        gc.unfreeze()
    assert len(kept) == N_OBJECTS
    assert {0, 1} <= set(searches)
    assert (2 in searches) != planned
