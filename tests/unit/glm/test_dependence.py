"""Dependent columns of a design."""

import numpy as np
import pytest

from firstlevel.glm.dependence import described, factorise

RNG = np.random.default_rng(0)
A, B, C = RNG.standard_normal((3, 40, 1))
EMPTY = np.zeros((40, 1))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ([A, B, C], {}),
        ([A, B, A], {2: [0]}),
        ([A, EMPTY, B], {1: []}),
        ([A, 1e-3 * B, 0.5 * A - 1e-3 * B], {2: [0, 1]}),
        ([2 * A, A, EMPTY, B, 3 * B], {1: [0], 2: [], 4: [3]}),
    ],
)
def test_dependent_columns_are_named_with_their_sources(columns, expected):
    """Repeated, empty and summed columns are found; without them the design has full rank."""
    design = np.hstack(columns)
    found = factorise(design).dependent_columns()
    assert found == expected
    kept = [k for k in range(design.shape[1]) if k not in found]
    assert np.linalg.matrix_rank(design[:, kept]) == len(kept) == np.linalg.matrix_rank(design)


def test_sources_of_random_designs_span_their_columns():
    """Each named column lies in the span of its sources, whatever the scale of the columns."""
    rng = np.random.default_rng(1)
    for _ in range(50):
        base = rng.standard_normal((60, 5)) * 10.0 ** rng.uniform(-3, 3, 5)
        sums = base @ rng.integers(-2, 3, (5, 3))
        design = np.hstack([base, sums, np.zeros((60, 1))])[:, rng.permutation(9)]
        found = factorise(design).dependent_columns()
        assert len(found) == 4
        assert sum(not sources for sources in found.values()) == 1
        for column, sources in found.items():
            if not sources:
                assert not design[:, column].any()
                continue
            rest = np.linalg.lstsq(design[:, sources], design[:, column], rcond=None)[0]
            left = design[:, column] - design[:, sources] @ rest
            assert np.linalg.norm(left) < 1e-5 * np.linalg.norm(design[:, column])


def test_description_is_one_line():
    """Each column with what it follows from."""
    assert described({1: [], 2: [0, 3]}, "abcd") == "b (empty), c (follows from a + d)"
