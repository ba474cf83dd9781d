"""Contrast expressions."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlevel.glm import expressions
from firstlevel.glm.expressions import ExpressionError, parse


def test_docstring_examples():
    """The examples in the docstrings hold."""
    assert doctest.testmod(expressions).failed == 0


@pytest.mark.parametrize(
    "text",
    [
        "", "1", "faces + 1", "faces * scrambled", "1 / faces", "faces ** 2", "faces - faces", "faces / 0",
        "__import__('os').system('true')", "faces.x", "faces[0]", "faces if faces else x", "lambda: 1",
        "faces; scrambled", "faces ==", "1e999 * faces", "True * faces", "f(faces)", "(" * 5000 + "a",
        "faces # - scrambled", "'go' # '-'", "go#1 - nogo",
    ],
)  # fmt: skip
def test_anything_but_a_weighted_sum_is_an_error(text):
    """Code, constants, products and empty contrasts are errors, never evaluated."""
    with pytest.raises(ExpressionError):
        parse(text)


names = st.sampled_from(["faces", "scrambled", "left_hand", "rest"])
numbers = st.floats(min_value=-100, max_value=100, allow_nan=False).map(lambda x: round(x, 3))


@given(st.dictionaries(names, numbers.filter(bool), min_size=1))
def test_a_written_sum_is_read_back(weights):
    """Weights written as an expression are the weights read from it."""
    text = " + ".join(f"{weight!r} * {name}" for name, weight in weights.items())
    assert parse(text) == pytest.approx(weights)


def test_vector_puts_weights_in_column_order():
    """Columns without a weight get 0, and a name without a column is an error."""
    assert expressions.vector({"b": 2.0}, ["a", "b", "c"]) == [0.0, 2.0, 0.0]
    with pytest.raises(KeyError, match="d"):
        expressions.vector({"d": 1.0}, ["a", "b"])


def test_number_sign_in_quotes_is_a_letter_of_a_name():
    """Outside, it would cut the expression off: go#1 - nogo would be go."""
    assert parse("'go#1' - \"it's #2\" - 'a\\'#'") == {"go#1": 1.0, "it's #2": -1.0, "a'#": -1.0}
