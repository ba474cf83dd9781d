"""Properties that hold for any table, config, contrast and file name, not only for those of other tests."""

import copy
import math
import string

import pytest
from checked_configs import SCHEMA
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from firstlevel import texts
from firstlevel.glm import expressions
from firstlevel.io import event_table, table_writer, tables
from firstlevel.io.cells import read_columns
from firstlevel.names import entities_in
from firstlevel.plan.config import check_config
from firstlevel.stage import InputError

quick = settings(
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""The same examples each time, and no limit to the time of one on a busy computer."""

# ---------------------------------------------------------------------------------------------- tables

cells = st.text(st.characters(exclude_characters="\t\r\n", exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: text == texts.visible(text.strip())
)


@quick
@given(st.data(), st.lists(cells, min_size=1, max_size=4, unique=True))
def test_any_text_survives_a_table(tmp_path, data, columns):
    """Quotes, commas, controls, other scripts: what is written is read, each value in its column and line."""
    rows = data.draw(st.lists(st.lists(cells, min_size=len(columns), max_size=len(columns)), max_size=4))
    table_writer.write_table(tmp_path / "t.tsv", columns, rows)
    read = tables.read_rows(tmp_path / "t.tsv")
    assert [list(row.values.items()) for row in read] == [
        list(zip(columns, row, strict=True)) for row in rows
    ]
    assert [row.number for row in read] == list(range(2, len(rows) + 2))


@quick
@given(st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2)))
def test_any_number_survives_a_table(tmp_path, rows):
    """To the last bit, the smallest and the largest, and the sign of zero."""
    table_writer.write_table(tmp_path / "t.tsv", ["a", "b"], rows)
    read = read_columns(tmp_path / "t.tsv", ["a", "b"])[1]
    assert [list(map(float.hex, row)) for row in read] == [list(map(float.hex, row)) for row in rows]


@quick
@given(st.text("0123456789.eE+-_ infa\u0661\uff11", max_size=8))
def test_a_number_is_what_other_readers_of_tables_take_for_one(tmp_path, text):
    """Plain decimal numbers are read as they are; 1_000, which Python takes, and other digits are errors."""
    assume(text.strip())
    (tmp_path / "t.tsv").write_text(f"a\n{text}\n", encoding="utf-8")
    plain = text.strip().isascii() and "_" not in text and not set("inf") & set(text)
    try:
        expected = float(text) if plain else math.nan
    except ValueError:
        expected = math.nan
    if math.isfinite(expected):
        assert read_columns(tmp_path / "t.tsv")[1] == [[expected]]
    else:
        with pytest.raises(InputError, match=r"t\.tsv, row 2: a is"):
            read_columns(tmp_path / "t.tsv")


@quick
@given(
    st.lists(
        st.tuples(
            st.floats(-1e4, 1e4), st.floats(0, 1e3), cells.filter(lambda text: text not in tables.MISSING)
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_events_survive_a_table(tmp_path, events):
    """Onset, duration and name of each event, in their order."""
    table_writer.write_table(tmp_path / "e.tsv", event_table.EVENT_COLUMNS, events)
    read = event_table.read_events(tmp_path / "e.tsv")
    assert [(event.onset, event.duration, event.trial_type) for event in read] == events


# ------------------------------------------------------------------------------------------ contrasts

REGRESSORS = {"faces": 1.0, "scrambled": 2.0, "left_hand": 3.0, "left hand": 4.0, "é": 5.0}
terms = st.one_of(
    st.sampled_from(["faces", "scrambled", "left_hand", "'left hand'", "é"]),
    st.integers(0, 9).map(str),
    st.sampled_from(["0.5", "1e-2", "2.", ".25"]),
)
sums = st.recursive(
    terms,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda part: f"({part[0]} {part[1]} {part[2]})"),
        st.tuples(st.sampled_from("+-"), inner).map("".join),
    ),
    max_leaves=8,
)


def parsed(text):
    """Weights of an expression, or the reason why it has none."""
    try:
        return expressions.parse(text), ""
    except expressions.ExpressionError as error:
        return None, str(error)


def refusal(config):
    """What check_config says of a config, or nothing where it takes it."""
    try:
        check_config(config, SCHEMA)
    except InputError as error:
        return str(error)
    return ""


def value(text, regressors):
    """What Python makes of an expression, with a number for each name."""
    names = {name.replace(" ", "_of_"): number for name, number in regressors.items()}
    return eval(text.replace("'left hand'", "left_of_hand"), {"__builtins__": {}}, names)


@settings(quick, max_examples=200)
@given(sums)
def test_any_expression_has_the_weights_of_python_s_arithmetic(text):
    """The weight of a name is what a step in it alone changes; a sum that is not linear is an error."""
    zeros = dict.fromkeys(REGRESSORS, 0.0)
    try:
        constant = value(text, zeros)
        slopes = {name: value(text, zeros | {name: 1.0}) - constant for name in REGRESSORS}
        all_at_once = value(text, REGRESSORS)
    except ZeroDivisionError:  # of a name, or of 0
        with pytest.raises(expressions.ExpressionError):
            expressions.parse(text)
        return
    linear = constant + sum(slopes[name] * REGRESSORS[name] for name in REGRESSORS)
    weights, reason = parsed(text)
    if reason:
        assert "product of two" in reason or "division by" in reason or constant or not any(slopes.values())
        return
    assert not constant
    assert all_at_once == pytest.approx(linear)
    assert weights == pytest.approx({name: slope for name, slope in slopes.items() if abs(slope) > 1e-12})


@settings(quick, max_examples=300)
@given(
    st.one_of(
        st.text(max_size=30),
        st.text("faces'\"+-*/() 0123456789.eE_[]{}:=@\\\n", max_size=25),
        st.lists(st.sampled_from(["1e308", "9" * 400, "5e-324", "faces", "1e999", *"*/+-()"]),
                 max_size=9).map(" ".join),
    )
)  # fmt: skip
def test_any_text_is_weights_or_an_error(text):
    """Nothing else comes out, and no weight is infinite."""
    weights, reason = parsed(text)
    assert reason or (weights and all(math.isfinite(weight) and weight for weight in weights.values()))


def test_no_text_is_run(monkeypatch):
    """Code in a contrast stays text: nothing that it names is called."""
    called = []
    monkeypatch.setattr("builtins.shout", lambda: called.append(1), raising=False)
    for text in (
        "shout()",
        "faces + shout()",
        "[shout() for _ in 'ab'][0]",
        "f'{shout()}'",
        "(lambda: shout())()",
    ):
        with pytest.raises(expressions.ExpressionError):
            expressions.parse(text)
    assert not called
    assert eval("shout()") is None
    assert called


# --------------------------------------------------------------------------------------------- config

words = st.text(string.ascii_letters + string.digits, min_size=1, max_size=6)


def of_schema(part):
    """Strategy of the values that a part of the schema allows."""
    for several in ("oneOf", "anyOf"):
        if several in part:
            return st.one_of([of_schema(one) for one in part[several]])
    if "enum" in part:
        return st.sampled_from(part["enum"])
    kinds = part["type"] if isinstance(part["type"], list) else [part["type"]]
    return st.one_of([of_kind(kind, part) for kind in kinds])


def of_kind(kind, part):
    low, high = part.get("minimum"), part.get("maximum")
    if kind == "null":
        return st.none()
    if kind == "boolean":
        return st.booleans()
    if kind == "integer":
        return st.integers(low or 0, high if high is not None else 1000)
    if kind == "number":
        low = low if low is not None else part.get("exclusiveMinimum", -1000)
        high = high if high is not None else part.get("exclusiveMaximum", 1000)
        return st.floats(
            low, high, exclude_min="exclusiveMinimum" in part, exclude_max="exclusiveMaximum" in part
        )
    if kind == "string":
        return words.map("https://".__add__) if "pattern" in part else words
    if kind == "array":
        sizes = {"min_size": part.get("minItems", 0), "max_size": min(part.get("maxItems", 4), 4)}
        return st.lists(of_schema(part["items"]), **sizes, unique=part.get("uniqueItems", False))
    if "properties" not in part:
        labels = st.text(string.ascii_lowercase, min_size=1, max_size=6)
        return st.dictionaries(
            labels, of_schema(part["additionalProperties"]), min_size=part.get("minProperties", 0), max_size=3
        )
    required = {key for key, inner in part["properties"].items() if "required" in inner}
    required |= set(part.get("required", ()))
    values = {key: of_schema(inner) for key, inner in part["properties"].items()}
    return st.fixed_dictionaries(
        {key: values[key] for key in values if key in required},
        optional={key: values[key] for key in values if key not in required},
    ).filter(lambda made: len(made) >= part.get("minProperties", 0))


def places(part, path=()):
    """Path of each key of the schema that holds a value, and its part of the schema."""
    for key, inner in part.get("properties", {}).items():
        yield (*path, key), inner
        yield from places(inner, (*path, key))


def put(config, path, value):
    """Set one key of a nested config."""
    for key in path[:-1]:
        config = config.setdefault(key, {})
    config[path[-1]] = value


@quick
@given(of_schema(SCHEMA))
def test_any_config_of_the_schema_s_choices_holds_against_it(config):
    """No choice of the schema is refused by it, whatever stands beside it; defaults are filled in."""
    said = refusal(config)
    assert not said or said.startswith("config key "), said  # what one key asks of another, or of a file
    for path, part in places(SCHEMA):
        at = config
        for key in path[:-1]:
            at = at.get(key) if isinstance(at, dict) else None
        if at is None:  # a section that is null
            continue
        at = at.get(path[-1])
        assert at is not None or "null" in str(part.get("type", part)) or path[0] == "pathvars"


@quick
@given(st.data(), words.map("x".__add__))
def test_unknown_key_is_refused_with_its_path_at_any_depth(data, name):
    """Wherever it stands."""
    sections = [path for path, part in places(SCHEMA) if "properties" in part]
    path = (*data.draw(st.sampled_from([(), *sections])), name)
    config = {"study": {"source": "simulated"}, "contrasts": {"a": "faces"}}
    put(config, path, 1)
    with pytest.raises(InputError, match=f"unknown key {'.'.join(path)} "):
        check_config(config, SCHEMA)


junk = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
        st.sampled_from(["{", "a: b: c", "[1", "'", "!!x", "\x00", "&a *b", "2001-13-45", "%"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(words, st.integers()), inner, max_size=2)
    ),
    max_leaves=4,
)  # fmt: skip


@settings(quick, max_examples=120)
@given(st.data(), junk)
def test_anything_in_any_key_is_taken_or_refused_with_its_name(data, value):
    """The message names the key and what to do; nothing but InputError comes out."""
    path, _ = data.draw(st.sampled_from(list(places(SCHEMA))))
    config = {"study": {"source": "simulated"}, "contrasts": {"a": "faces"}}
    put(config, path, copy.deepcopy(value))
    said = refusal(config)
    assert not said or ("to do:" in said and (path[-1] in said or path[0] in said))


# ----------------------------------------------------------------------------------------- file names


@quick
@given(
    st.dictionaries(st.sampled_from(["sub", "ses", "task", "acq", "run", "space", "desc"]), words, min_size=1)
)
def test_entities_of_any_file_name_are_read(entities):
    """In any order and number, with either ending."""
    name = "_".join(f"{entity}-{label}" for entity, label in entities.items())
    for end in ("_bold.nii.gz", "_events.tsv"):
        assert entities_in(name + end) == entities
