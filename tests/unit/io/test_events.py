"""Events as files have them: what is one, of which condition, and what modulates it."""

import gzip
import json
import logging
import unicodedata

import numpy as np
import pytest
import scipy.io
from with_headers import write_run_events

from firstlevel.glm import selection
from firstlevel.io import event_sources, event_table
from firstlevel.io.event_rules import Rules
from firstlevel.io.event_table import Event
from firstlevel.io.modulator_json import read as read_modulators
from firstlevel.io.modulators import Modulator
from firstlevel.io.spm_conditions import read_spm_conditions
from firstlevel.plan import checks
from firstlevel.plan.runs import Run
from firstlevel.stage import InputError

HEADER = "onset\tduration\ttrial_type\n"
EXACT = 1e-12
"""Sums of a few dozen numbers near 1, in another order."""
DEFAULTS = {
    "column": "trial_type",
    "condition": None,
    "separator": "_",
    "where": {},
    "repeated": "error",
    "needed": True,
}


def written(tmp_path, text, name="source.tsv", **options):
    """Events that the stage makes of a text, as (onset, duration, trial_type), and its sidecar."""
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return extracted(tmp_path, [path], **options)


def extracted(tmp_path, source, **options):
    out, sidecar = tmp_path / "events.tsv", tmp_path / "events.json"
    write_run_events(source=source, events=out, sidecar=sidecar, **options)
    rows = event_table.read_events(out, needed=False)
    return [(row.onset, row.duration, row.trial_type) for row in rows], json.loads(sidecar.read_text())


def planned(place, **study):
    """Names of conditions and their modulators as the plan of a study finds them."""
    modulators = study.pop("modulators", {})
    config = {
        "study": {"source": "table", "conditions": study.pop("conditions", None), "events": DEFAULTS | study},
        "design": {"modulators": modulators},
    }
    run = Run("01", None, "x", None, ("b.nii",), str(place), None, 2.0)
    return checks._conditions(config, run)


PLAIN = [(10.0, 5.0, "faces"), (30.0, 5.0, "houses")]


@pytest.mark.parametrize(
    "text",
    [
        '"onset"\t"duration"\t"trial_type"\n10\t5\t"faces"\n30\t5\t"houses"\n',
        HEADER + '10\t5\t"faces"\n30\t5\t"houses"\n',
        HEADER + '"10"\t"5"\tfaces\n30\t5\thouses\n',
        "\tonset\tduration\ttrial_type\n1\t10\t5\tfaces\n2\t30\t5\thouses\n",
        '""\t"onset"\t"duration"\t"trial_type"\n"1"\t10\t5\t"faces"\n"2"\t30\t5\t"houses"\n',
        HEADER + "1\t10\t5\tfaces\n2\t30\t5\thouses\n",
        HEADER + '"2"\t10\t5\tfaces\n"7"\t30\t5\thouses\n',
        "onset\tduration\ttrial_type\t\t\n10\t5\tfaces\t\t\n30\t5\thouses\t\t\n",
        HEADER + "10\t5\tfaces\t\n30\t5\thouses\n",
        HEADER + "1e1\t5e0\tfaces\n3.0E+01\t5\thouses\n",
        (HEADER + "10\t5\tfaces\n30\t5\thouses\n").replace("\n", "\r\n"),
        (HEADER + "10\t5\tfaces\n30\t5\thouses\n").replace("\n", "\r"),
        gzip.compress((HEADER + "10\t5\tfaces\n30\t5\thouses\n").encode(), mtime=0),
        HEADER + "10\t5\tfaces\n15\tn/a\tn/a\n20\t5\tNA\n22\t5\tN/A\nn/a\t5\tfaces\n30\t5\thouses\n",
    ],
)  # fmt: skip
def test_forms_of_one_table_are_the_same_events(tmp_path, text):
    """R's quotes and row names, trailing tabs, line ends, compression and rows that are no events."""
    rows, _ = written(tmp_path, text)
    assert rows == PLAIN
    assert planned(tmp_path / "source.tsv") == ["faces", "houses"]


def test_onsets_are_not_taken_for_names_of_rows(tmp_path):
    """A cell beyond the header stops, though whole onsets grow as numbers of rows do."""
    with pytest.raises(InputError, match="row 2: has 4 values where the header has 3"):
        written(tmp_path, HEADER + "10\t5\t1\t2\n30\t5\t1\t2\n")


def test_quotes_within_a_name_are_kept_and_survive_a_table(tmp_path):
    """Only quotes around a whole cell are R's; a name that keeps its own reads back the same."""
    rows, _ = written(
        tmp_path, HEADER + '1\t1\t"""x"""\n2\t1\t5" disc\n3\t1\t"a ""b"""\n4\t1\t"odd\n5\t1\t"l" or "r"\n'
    )
    assert [name for *_, name in rows] == ['"x"', '5" disc', 'a "b"', '"odd', '"l" or "r"']


def test_rows_that_are_no_events_are_counted(tmp_path, caplog):
    """What is left out is told in the log and in the sidecar, by reason."""
    caplog.set_level(logging.INFO)
    text = HEADER + "1\t1\ta\n2\t1\tn/a\n3\t1\tNA\nn/a\t1\ta\n"
    _, said = written(tmp_path, text)
    assert said["RowsLeftOut"] == {"trial_type n/a": 2, "onset n/a": 1}
    assert "2 rows are not events of the model: trial_type n/a" in caplog.text


def test_trial_type_na_counts_where_it_is_listed(tmp_path):
    """NA may be a name: study.conditions says so."""
    text = HEADER + "1\t1\ta\n2\t1\tNA\n"
    rows, _ = written(tmp_path, text, conditions={"neutral": ["NA"], "a": ["a"]})
    assert rows == [(1.0, 1.0, "a"), (2.0, 1.0, "neutral")]


@pytest.mark.parametrize("text", [HEADER, HEADER + "1\t1\tn/a\n"])
def test_run_without_events_stops_unless_the_model_needs_none(tmp_path, text):
    """A header alone, or rows that are no events: said so, and how to say that it is meant."""
    with pytest.raises(InputError, match=r"(?s)has no events.*study\.events\.needed"):
        written(tmp_path, text)
    rows, _ = written(tmp_path, text, rules={"needed": False})
    assert rows == []
    assert (tmp_path / "events.tsv").read_text() == HEADER
    assert planned(tmp_path / "source.tsv") == []


def test_model_without_events_needs_no_file(tmp_path):
    """No table at all: an empty one is written, and the plan has no conditions."""
    assert extracted(tmp_path, [], rules={"needed": False}) == ([], {})
    assert planned("") == []


@pytest.mark.parametrize("repeated", ["error", "once", "twice"])
def test_repeated_rows_count_as_asked(tmp_path, repeated, caplog):
    """The same row twice stops, counts once, or counts twice; never silently."""
    text = "onset\tduration\ttrial_type\trt\n1\t1\ta\t0.5\n1\t1\ta\t0.5\n1\t1\ta\t0.6\n"
    if repeated == "error":
        with pytest.raises(InputError, match=r"(?s)row 3: repeats row 2.*study\.events\.repeated"):
            written(tmp_path, text, rules={"repeated": repeated})
        return
    rows, _ = written(tmp_path, text, rules={"repeated": repeated})
    assert len(rows) == {"once": 2, "twice": 3}[repeated]
    assert "1 rows repeat an earlier row" in caplog.text


COLUMNS = (
    "onset\tduration\tstim_type\toutcome\tresponse\n"
    "1\t1\tcue\tn/a\t1\n3\t1\tcard\twin\t2.0\n5\t1\tcard\tloss\tn/a\n7\t1\tcard\twin\t3\n"
)


def test_column_of_conditions_is_chosen_and_joined(tmp_path):
    """One column, or several; a part that is n/a is left out of the name."""
    rows, _ = written(tmp_path, COLUMNS, rules={"column": "stim_type"})
    assert [name for *_, name in rows] == ["cue", "card", "card", "card"]
    joined = {"column": ["stim_type", "outcome"], "separator": "-"}
    rows, _ = written(tmp_path, COLUMNS, rules=joined)
    assert [name for *_, name in rows] == ["cue", "card-win", "card-loss", "card-win"]
    assert planned(tmp_path / "source.tsv", **joined) == ["cue", "card-win", "card-loss"]


@pytest.mark.parametrize(
    ("where", "onsets"),
    [
        ({"response": [1, 2]}, [1, 3]),
        ({"response": "3.0"}, [7]),
        ({"response": [2], "outcome": ["win", "loss"]}, [3]),
        ({"outcome": "n/a"}, [1]),
        ({"response": ["n/a", 3]}, [5, 7]),
    ],
)
def test_rows_are_chosen_by_value(tmp_path, where, onsets):
    """Text as text, numbers by value; all filters hold together, and what they take is counted."""
    rules = {"column": "stim_type", "where": where}
    rows, said = written(tmp_path, COLUMNS, rules=rules)
    assert [onset for onset, *_ in rows] == onsets
    assert sum(said["RowsLeftOut"].values()) == 4 - len(onsets)
    names = list(dict.fromkeys(name for *_, name in rows))
    assert planned(tmp_path / "source.tsv", **rules) == names


@pytest.mark.parametrize(
    ("text", "rules", "message"),
    [
        (COLUMNS, {}, r"lacks the column trial_type.*look like conditions.*stim_type \(cue, card\)"),
        (COLUMNS, {"column": "stimtype"}, r"lacks the column stimtype.*did you mean 'stim_type'"),
        (COLUMNS, {"column": "outcome", "where": {"Response": 1}}, r"lacks the column Response.*'response'"),
        (HEADER.upper() + "1\t1\ta\n", {}, r"lacks the column onset.*did you mean 'ONSET'"),
        ("onset,duration,trial_type\n1,2,a\n", {}, r"lacks the column onset.*separated by commas"),
        ("onset duration trial_type\n1 2 a\n", {}, r"lacks the column onset.*separated by blanks"),
        (HEADER + "1\tn/a\ta\n", {}, r"row 2: duration is 'n/a'.*study\.event_duration"),
        (HEADER + "1\t-2\ta\n", {}, "row 2: duration is -2"),
        (HEADER + "1,5\t2\ta\n", {}, "row 2: onset is '1,5'"),
        ("onset\ttrial_type\n1\ta\n", {}, r"has no durations.*study\.event_duration"),
        (HEADER + "1\t1\tdrift_1\n", {}, "a name that the model uses"),
        (HEADER + "1\t1\ta\n2\t1\tA\n", {}, "differs from 'a' in case or blanks"),
        (b"\x1f\x8bbroken", {}, "cannot be unpacked"),
    ],
)  # fmt: skip
def test_wrong_events_are_told_with_the_way_out(tmp_path, text, rules, message):
    """Each error names the file, what is wrong and what to do."""
    with pytest.raises(InputError, match="(?s)" + message) as error:
        written(tmp_path, text, rules=rules)
    assert str(tmp_path / "source.tsv") in str(error.value)


def test_duration_that_is_set_replaces_a_missing_one(tmp_path):
    """Where the config gives the duration, the table needs none, nor the column."""
    assert written(tmp_path, HEADER + "1\tn/a\ta\n", event_duration=1.0)[0] == [(1.0, 1.0, "a")]
    assert written(tmp_path, "onset\ttrial_type\n1\ta\n", event_duration=0.5)[0] == [(1.0, 0.5, "a")]


def test_rows_of_trial_types_that_are_not_asked_for_may_lack_numbers(tmp_path):
    """Responses often have no duration; only the conditions of the model need one."""
    text = HEADER + "1\t2\tfaces\n3\tn/a\tbutton\n"
    rows, said = written(tmp_path, text, conditions={"faces": ["faces"]})
    assert rows == [(1.0, 2.0, "faces")]
    assert said["EventsNotListed"] == {"button": 1}
    with pytest.raises(InputError, match=r"(?s)of an event of 'button'.*study\.conditions"):
        written(tmp_path, text)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_are_one_name_in_every_form(tmp_path, form):
    """A decomposed é of a file is the composed one of a config, and the other way round."""
    name = unicodedata.normalize(form, "café")
    other = unicodedata.normalize("NFD" if form == "NFC" else "NFC", "café")
    rows, _ = written(tmp_path, HEADER + f"1\t1\t{name}\n2\t1\t{other}\n")
    assert [one for *_, one in rows] == ["café", "café"]
    assert written(tmp_path, HEADER + f"1\t1\t{name}\n", conditions={other: [other]})[0] == [
        (1.0, 1.0, "café")
    ]
    assert checks.names_of(f"'{other}'") == checks.names_of(other) == ["café"]


# ------------------------------------------------------------------------------------------ modulators

GAMBLES = (
    "onset\tduration\ttrial_type\tgain\tloss\tRT\tweight\n"
    "0\t4\tgambles\t10\t5\t1.5\t1\n6\t4\tgambles\t20\tn/a\t2.5\t1\n12\t4\tgambles\t36\t9\tNA\t2\n"
    "18\t1\tbutton\tn/a\tn/a\tn/a\tn/a\n"
)


def selected(tmp_path, text, modulators, **options):
    """Events by condition and modulator, through the files that the stages hand over."""
    written(tmp_path, text, modulators=modulators, **options)
    specified = read_modulators(tmp_path / "events.json")
    columns = [how.column for own in specified.values() for how in own.values()]
    rows = event_table.read_events(tmp_path / "events.tsv", columns)
    return selection.select(rows, np.arange(20.0), -24, specified)


def test_modulators_are_centred_over_the_events_of_the_run(tmp_path, caplog):
    """Heights are values less their mean; a missing one is the mean, and counted; n/a elsewhere, nothing."""
    caplog.set_level(logging.INFO)
    found = selected(tmp_path, GAMBLES, {"gambles": ["gain", "loss"]})
    assert list(found.events) == ["button", "gambles", "gambles_gain", "gambles_loss"]
    np.testing.assert_array_equal(found.events["gambles"].heights, [1, 1, 1])
    np.testing.assert_allclose(found.events["gambles_gain"].heights, [-12, -2, 14], rtol=EXACT)
    np.testing.assert_allclose(found.events["gambles_loss"].heights, [-2, 0, 2], rtol=EXACT)
    assert [(one.name, one.mean, one.missing) for one in found.modulations] == [
        ("gambles_gain", 22.0, 0), ("gambles_loss", 7.0, 1),
    ]  # fmt: skip
    assert "look like modulators but are not used: weight" in caplog.text
    names = ["gambles", "gambles_gain", "gambles_loss", "button"]
    assert planned(tmp_path / "source.tsv", modulators={"gambles": ["gain", "loss"]}) == names


def test_modulators_as_they_are_and_of_columns_that_events_have_anyway(tmp_path):
    """centre: none takes values as they are; duration and modulation may modulate, too."""
    options = {"gambles": {"gain": {"centre": "none"}, "duration": {"centre": "none"}}}
    found = selected(tmp_path, GAMBLES, options)
    np.testing.assert_array_equal(found.events["gambles_gain"].heights, [10, 20, 36])
    np.testing.assert_array_equal(found.events["gambles_duration"].heights, [4, 4, 4])
    text = GAMBLES.replace("gain", "modulation")
    found = selected(tmp_path, text, {"gambles": ["modulation"]})
    np.testing.assert_array_equal(found.events["gambles"].heights, [1, 1, 1])
    np.testing.assert_allclose(found.events["gambles_modulation"].heights, [-12, -2, 14], rtol=EXACT)


def test_orthogonal_modulators_are_those_of_a_serial_regression(tmp_path):
    """As spm_orth: each less its projection on the ones and the modulators before; by QR here."""
    rng = np.random.default_rng(4)
    values = rng.normal(5, 2, (2, 30))
    values[1] += values[0]
    how = [Modulator("a", "run", True), Modulator("b", "run", True)]
    first, second = selection.modulated(values, how)
    q, r = np.linalg.qr(np.column_stack([np.ones(30), *values]))
    np.testing.assert_allclose(first, q[:, 1] * r[1, 1], rtol=1e-9, atol=EXACT)
    np.testing.assert_allclose(second, q[:, 2] * r[2, 2], rtol=1e-9, atol=EXACT)
    plain = selection.modulated(values, [Modulator("a"), Modulator("b")])
    np.testing.assert_allclose(plain[1], values[1] - values[1].mean(), rtol=1e-9, atol=EXACT)


@pytest.mark.parametrize(
    ("values", "orthogonalise"),
    [([0.1] * 7, False), ([0.1] * 7, True), ([np.nan] * 7, False), ([0.1, np.nan, 0.1], False)],
)
def test_constant_modulator_has_a_height_of_exactly_nothing(values, orthogonalise):
    """So that it is an empty regressor, not one of rounding that a fit scales up."""
    [heights] = selection.modulated([np.array(values)], [Modulator("a", "run", orthogonalise)])
    assert not heights.any()


def test_modulator_that_follows_from_another_is_nothing_once_orthogonal():
    """Its second copy has nothing of its own."""
    values = np.array([0.3, 1.7, 2.9, 4.4]) + 1e3
    _, second = selection.modulated([values, 3 * values - 1], [Modulator("a", "run", True)] * 2)
    assert not second.any()


@pytest.mark.parametrize(
    ("modulators", "message"),
    [
        ({"gambles": ["gian"]}, r"lacks the column gian.*did you mean 'gain'"),
        ({"gambles": ["trial_type"]}, "row 2: trial_type is 'gambles'"),
    ],
)
def test_wrong_modulators_are_told(tmp_path, modulators, message):
    """A column that is missing, or is no numbers."""
    with pytest.raises(InputError, match="(?s)" + message):
        written(tmp_path, GAMBLES, modulators=modulators)


def test_modulators_of_a_merged_condition_are_over_all_its_events(tmp_path):
    """Conditions of study.conditions have modulators by their own name."""
    text = GAMBLES.replace("6\t4\tgambles", "6\t4\tbets")
    found = selected(tmp_path, text, {"risk": ["gain"]}, conditions={"risk": ["gambles", "bets"]})
    np.testing.assert_allclose(found.events["risk_gain"].heights, [-12, -2, 14], rtol=EXACT)


def test_condition_of_modulators_exists_in_some_run(tmp_path):
    """A typo stops before any job, with the nearest name."""
    (tmp_path / "e.tsv").write_text(GAMBLES)
    config = {
        "study": {"source": "table", "conditions": None, "events": DEFAULTS},
        "design": {"modulators": {"gamble": ["gain"]}},
    }
    run = Run("01", None, "x", None, ("b.nii",), str(tmp_path / "e.tsv"), None, 2.0)
    with pytest.raises(InputError, match="did you mean 'gambles'"):
        checks._check_modulators(config, [run])


def test_old_modulation_of_plain_rows_may_be_missing(tmp_path):
    """n/a of a condition without any modulation is nothing; of a modulated one it stops with advice."""
    text = "onset\tduration\ttrial_type\tmodulation\n1\t1\ta\tn/a\n2\t1\tb\t0.5\n3\t1\ta\tNA\n4\t1\tb\t-2\n"
    written(tmp_path, text)
    rows = event_table.read_events(tmp_path / "events.tsv")
    assert [row.modulation for row in rows] == [None, 0.5, None, -2.0]
    found = selection.select(rows, np.arange(20.0), -24)
    np.testing.assert_array_equal(found.events["a"].heights, [1, 1])
    assert [one.name for one in found.modulations] == ["b"]
    with pytest.raises(InputError, match=r"(?s)row 3: modulation is 'n/a'.*design\.modulators"):
        written(tmp_path, text.replace("0.5", "n/a"))


def test_modulators_of_two_names_alike_are_refused():
    """A condition and a modulator must not become one regressor."""
    rows = [Event(1.0, 1.0, "a", None, (("b", 1.0),)), Event(2.0, 1.0, "a_b", None, (("b", 2.0),))]
    with pytest.raises(ValueError, match="a_b"):
        selection.select(rows, np.arange(20.0), -24, {"a": {"b": Modulator("b")}})


# ------------------------------------------------------------------------------------------ SPM, FSL, AFNI


def cells(*items):
    made = np.empty((1, len(items)), dtype=object)
    for k, item in enumerate(items):
        made[0, k] = item
    return made


def parameters(*of_conditions):
    """A ``pmod`` of one element per condition: each (names, params, polys)."""
    made = np.zeros((1, len(of_conditions)), dtype=[("name", "O"), ("param", "O"), ("poly", "O")])
    for k, (names, values, orders) in enumerate(of_conditions):
        made[0, k] = (cells(*names), cells(*values), cells(*orders)) if names else ([], [], [])
    return made


def multiple_conditions(path, **more):
    given = {
        "names": cells("go", "stop"),
        "onsets": cells([1.0, 3.0, 4.0, 8.0], [2.0, 6.0]),
        "durations": cells(0.5, 0.5),
    }
    scipy.io.savemat(path, given | more)
    return path


def test_spm_modulators_are_spm_orth_of_their_powers(tmp_path):
    """Pmod of order 2 behind tmod: u = [1, t, p, p^2], orthogonalised serially, by its closed form (QR)."""
    values = [3.0, 1.0, 5.0, 2.5]
    pmod = parameters((["rt"], [values], [2.0]), ([], [], []))
    path = multiple_conditions(tmp_path / "c.mat", pmod=pmod, tmod=cells(1.0, 0.0))
    _, said = extracted(tmp_path, [path], repetition_time=2.0)
    assert list(said["Modulators"]) == ["go"]
    own = read_modulators(tmp_path / "events.json")["go"]
    assert list(own) == ["time", "rt", "rt_2"] == planned_modulators(path)
    rows = event_table.read_events(tmp_path / "events.tsv", list(own))
    found = selection.select(rows, np.arange(40.0), -24, {"go": own})
    t, p = np.array([1.0, 3.0, 4.0, 8.0]), np.array(values)
    q, r = np.linalg.qr(np.column_stack([np.ones(4), t, p, p**2]))
    for k, name in enumerate(own, start=1):
        np.testing.assert_allclose(
            found.events[f"go_{name}"].heights, q[:, k] * r[k, k], rtol=1e-9, atol=1e-12
        )


def planned_modulators(path):
    return [name.removeprefix("go_") for name in planned(path) if name.startswith("go_")]


def test_spm_modulators_without_orth_are_as_they_stand(tmp_path):
    """Orth 0: neither centred nor orthogonal, as in SPM."""
    pmod = parameters(
        (["rt", "size"], [[3.0, 1, 5, 2], [1.0, 0, 0, 1]], [1.0, 1.0]), (["rt"], [[7.0, 9]], [1.0])
    )
    path = multiple_conditions(tmp_path / "c.mat", pmod=pmod, orth=cells(0.0, 1.0))
    _, said = extracted(tmp_path, [path], repetition_time=2.0)
    assert said["Modulators"]["go"][1] == {
        "Name": "size", "Column": "size", "Centre": "none", "Orthogonalise": False,
    }  # fmt: skip
    assert said["Modulators"]["stop"][0]["Orthogonalise"] is True
    rows = event_table.read_events(tmp_path / "events.tsv", ["rt", "size"])
    assert [dict(row.values)["rt"] for row in rows] == [3.0, 7.0, 1.0, 5.0, 9.0, 2.0]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"pmod": parameters((["rt"], [[3.0, 1.0]], [1.0]))}, "pmod 'rt' of condition 'go' has 2 values"),
        ({"pmod": parameters((["rt"], [[3.0, 1, np.nan, 2]], [1.0]))}, "not a finite one for each onset"),
        ({"pmod": parameters((["rt"], [[3.0, 1, 4, 2]], [1.5]))}, "poly that is not an order"),
        ({"pmod": np.zeros((1, 2), dtype=[("name", "O"), ("weird", "O")])}, "pmod.weird .* not understood"),
        ({"pmod": np.array([1.0, 2.0])}, "pmod of condition 'go' is not a structure"),
        ({"tmod": cells(0.5, 0.0)}, "tmod of condition 'go' is 0.5"),
        ({"tmod": cells("x", 0.0)}, "tmod of condition 'go' is not a number"),
        ({"orth": cells(2.0, 0.0)}, "orth of condition 'go' is 2"),
        ({"names": cells("go", "go")}, "the condition 'go' twice"),
    ],
)  # fmt: skip
def test_what_is_not_understood_of_spm_stops_with_its_name(tmp_path, more, message):
    """Nothing that SPM would use is dropped in silence."""
    path = multiple_conditions(tmp_path / "c.mat", **more)
    with pytest.raises(InputError, match=message):
        read_spm_conditions(path)


def test_spm_condition_that_never_happened_has_no_events(tmp_path):
    """Onsets [] are no condition of this run."""
    path = multiple_conditions(tmp_path / "c.mat", onsets=cells([1.0, 3.0], np.zeros((0, 0))))
    assert planned(path) == ["go"]


@pytest.mark.parametrize("pattern", ["", "/*.txt"])
def test_fsl_columns_are_one_condition_per_file(tmp_path, pattern):
    """A folder or a pattern; the name of a file is the condition, the third column the height."""
    folder = tmp_path / "ev"
    folder.mkdir()
    (folder / "faces.txt").write_text("10 5 1\n30\t5\t1\n")
    (folder / "reward.txt").write_text("12 1 0.5\n32 1 1\n")
    (folder / "missed.txt").write_text("0 0 0\n")
    (folder / "none.txt").write_text("")
    where = f"{folder}{pattern}"
    rows, _ = extracted(tmp_path, event_sources.files(where))
    assert rows == [(10.0, 5.0, "faces"), (12.0, 1.0, "reward"), (30.0, 5.0, "faces"), (32.0, 1.0, "reward")]
    heights = [row.modulation for row in event_table.read_events(tmp_path / "events.tsv")]
    assert heights == [None, 0.5, None, 1.0]
    assert planned(where) == ["faces", "reward"]


def test_afni_times_of_one_run_are_read_and_others_are_told(tmp_path):
    """One row, with heights and durations at most; rows of several runs need one file each."""
    path = tmp_path / "faces.1D"
    path.write_text("11.0*2.5 86.5*1.5:12 *\n")
    assert extracted(tmp_path, [path], event_duration=1.0)[0] == [(11.0, 1.0, "faces"), (86.5, 1.0, "faces")]
    assert [row.modulation for row in event_table.read_events(tmp_path / "events.tsv")] == [2.5, 1.5]
    with pytest.raises(InputError, match="has no durations"):
        extracted(tmp_path, [path])
    path.write_text("11.0 86.5 120.25\n30 60\n*\n")
    with pytest.raises(InputError, match="has 3 rows, one per run"):
        extracted(tmp_path, [path], event_duration=1.0)
    path.write_text("11*2,3\n")
    with pytest.raises(InputError, match=r"has '11\*2,3'"):
        extracted(tmp_path, [path], event_duration=1.0)


AMOUNTS = (
    "onset\tduration\tgain\tloss\tRT\tparticipant_response\n"
    "4\t4\t14\t6\t2.388\tweakly_accept\n9\t4\t34\t14\t0\tNoResp\n16\t4\t10\t15\t1.6\tstrongly_reject\n"
)


def test_every_row_is_of_one_condition_where_no_column_names_it(tmp_path, caplog):
    """As the config names it; modulators and filters hold as they do for a column, in stage and plan."""
    modulators = {"gambles": ["gain", "loss"]}
    caplog.set_level(logging.INFO)
    rows, said = written(tmp_path, AMOUNTS, rules={"condition": "gambles"}, modulators=modulators)
    assert rows == [(4.0, 4.0, "gambles"), (9.0, 4.0, "gambles"), (16.0, 4.0, "gambles")]
    assert said["ConditionOfEveryRow"] == "gambles"
    assert "every row is an event of gambles" in caplog.text
    assert [one["Column"] for one in said["Modulators"]["gambles"]] == ["gain", "loss"]
    source = tmp_path / "source.tsv"
    assert planned(source, condition="gambles", modulators=modulators) == [
        "gambles", "gambles_gain", "gambles_loss",
    ]  # fmt: skip
    where = {"participant_response": ["weakly_accept", "strongly_reject"]}
    rows, said = written(tmp_path, AMOUNTS, rules={"condition": "gambles", "where": where})
    assert [onset for onset, *_ in rows] == [4, 16]
    assert said["RowsLeftOut"] == {"study.events.where.participant_response": 1}


def test_one_condition_takes_the_place_of_a_column_that_is_there(tmp_path):
    """A row whose trial type is n/a is an event, too; rows without an onset are none in any case."""
    rows, _ = written(tmp_path, HEADER + "1\t1\ta\n3\t1\tn/a\nn/a\t1\tb\n", rules={"condition": "any"})
    assert rows == [(1.0, 1.0, "any"), (3.0, 1.0, "any")]


def test_one_condition_and_names_from_elsewhere_exclude_each_other(tmp_path):
    """Columns that name conditions, and files that bear their names; a table without either tells of both."""
    with pytest.raises(InputError, match=r"(?s)study\.events\.condition.*study\.events\.column is set, too"):
        Rules.of({"condition": "gambles", "column": "gain"})
    with pytest.raises(InputError, match="names its own conditions"):
        written(tmp_path, "1 1 1\n2 1 1\n", name="faces.txt", rules={"condition": "gambles"})
    with pytest.raises(InputError, match=r"lacks the column trial_type(?s:.*)study\.events\.condition"):
        written(tmp_path, AMOUNTS)


def test_numbers_without_a_header_are_told(tmp_path):
    """Two columns of numbers are neither a table nor FSL's."""
    with pytest.raises(InputError, match="row 2: does not have three numbers"):
        written(tmp_path, "1 1 1\n2 1\n", name="faces.txt")


def test_rules_of_a_config_and_their_defaults_agree():
    """The rules of nothing are those of the schema's defaults."""
    assert Rules.of() == Rules.of(DEFAULTS, None, {}) == Rules()
