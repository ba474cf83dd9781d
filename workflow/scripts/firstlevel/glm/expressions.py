"""Contrasts as written in a config: ``faces - 0.5 * (scrambled + objects)``.

An expression is a weighted sum of regressor names. It is parsed, never evaluated, so a string that is
code is an error and nothing more. Standard library only: the config is checked before any job starts.
"""

from __future__ import annotations

import ast
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence

Weights = dict[str, float]
QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")
"""A name in quotes."""


class ExpressionError(ValueError):
    """An expression that is no weighted sum of names."""


def parse(expression: str) -> Weights:
    """Weights by regressor name.

    >>> parse("faces - scrambled")
    {'faces': 1.0, 'scrambled': -1.0}
    >>> parse("(a + b) / 2 - c")
    {'a': 0.5, 'b': 0.5, 'c': -1.0}
    >>> parse("'left hand' - rest")
    {'left hand': 1.0, 'rest': -1.0}

    A name that is no Python identifier stands in quotes.

    Raises
    ------
    ExpressionError : anything but + - * / of names and numbers, a product of two names, only zeros, a weight
        that is too large for a number.
    """
    try:
        if "#" in QUOTED.sub("", expression):
            raise ExpressionError("a # outside quotes starts a comment")
        tree = ast.parse(expression.strip(), mode="eval")
        constant, weights = _terms(tree.body)
    except (SyntaxError, ValueError, RecursionError, ArithmeticError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ExpressionError(f"{expression!r} is not a weighted sum of regressors ({reason})") from None
    if constant:
        raise ExpressionError(f"{expression!r} has a term without a regressor ({constant:g})")
    if not any(weights.values()):
        raise ExpressionError(f"{expression!r} gives every regressor the weight 0")
    if odd := [name for name, weight in weights.items() if not math.isfinite(weight)]:
        raise ExpressionError(f"{expression!r} gives the regressor {odd[0]!r} an infinite weight")
    return {name: weight for name, weight in weights.items() if weight}


def names(expressions: Iterable[str]) -> list[str]:
    """Regressors that expressions name, each once, in their order."""
    return list(dict.fromkeys(name for expression in expressions for name in parse(expression)))


def vector(weights: Weights, columns: Sequence[str]) -> list[float]:
    """Weights in the order of the design's columns. KeyError where a name is no column."""
    if unknown := [name for name in weights if name not in columns]:
        raise KeyError(unknown[0])
    return [weights.get(name, 0.0) for name in columns]


def _terms(node: ast.expr) -> tuple[float, Weights]:
    """Constant part and weights of a (sub-)expression."""
    match node:
        case ast.Constant(value=bool()):
            raise ExpressionError("only numbers and names")
        case ast.Constant(value=int() | float() as value) if math.isfinite(value):
            return float(value), {}
        case ast.Name(id=name) | ast.Constant(value=str() as name):
            return 0.0, {unicodedata.normalize("NFC", name): 1.0}
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            return _scaled(_terms(operand), -1.0 if isinstance(sign, ast.USub) else 1.0)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as sign, right=right):
            return _sum(_terms(left), _scaled(_terms(right), -1.0 if isinstance(sign, ast.Sub) else 1.0))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            (a, a_weights), (b, b_weights) = _terms(left), _terms(right)
            if a_weights and b_weights:
                raise ExpressionError("a product of two regressors")
            return _scaled((b, b_weights), a) if not a_weights else _scaled((a, a_weights), b)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            divisor, weights = _terms(right)
            if weights:
                raise ExpressionError("division by a regressor")
            return _scaled(_terms(left), 1.0 / divisor)
    raise ExpressionError("only names, numbers, + - * / and parentheses")


def _scaled(terms: tuple[float, Weights], factor: float) -> tuple[float, Weights]:
    constant, weights = terms
    return constant * factor, {name: weight * factor for name, weight in weights.items()}


def _sum(first: tuple[float, Weights], second: tuple[float, Weights]) -> tuple[float, Weights]:
    weights = dict(first[1])
    for name, weight in second[1].items():
        weights[name] = weights.get(name, 0.0) + weight
    return first[0] + second[0], weights
