"""Tables and sidecars."""

import pytest

from firstlevel.io import cells, event_table, sidecars, table_writer
from firstlevel.io.event_table import Event
from firstlevel.stage import InputError

HEADER = "onset\tduration\ttrial_type\n"


def events(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "events.tsv"
    path.write_bytes(text.encode(encoding))
    return event_table.read_events(path)


def test_events_are_read_with_other_columns_and_other_line_ends(tmp_path):
    """Surplus columns, CRLF and a byte order mark do no harm."""
    text = "\ufeffonset\tduration\ttrial_type\tresponse\r\n1.5\t0\tfaces\tn/a\r\n2\t1\tleft hand\t3\r\n"
    assert events(tmp_path, text) == [Event(1.5, 0.0, "faces"), Event(2.0, 1.0, "left hand")]


@pytest.mark.parametrize(
    ("text", "encoding", "message"),
    [
        ("onset,duration,trial_type\n1,2,a\n", "utf-8", "lacks the column onset, duration, trial_type"),
        ("onset\tduration\n1\t2\n", "utf-8", r"lacks the column trial_type \(it has: onset, duration\)"),
        (HEADER, "utf-8", "has no events"),
        ("", "utf-8", r"it has: nothing"),
        (HEADER + "1\t2\ta\n3\t4\n", "utf-8", "row 3: has 2 values where the header has 3"),
        (HEADER + "1\t2\ta\nn/a\t4\tb\n", "utf-8", "row 3: onset is 'n/a'"),
        (HEADER + "1,5\t2\ta\n", "utf-8", "row 2: onset is '1,5'"),
        (HEADER + "nan\t2\ta\n", "utf-8", "row 2: onset is 'nan'"),
        (HEADER + "1\t-2\ta\n", "utf-8", "row 2: duration is -2"),
        (HEADER + "1\t2\t\n", "utf-8", "row 2: has no trial_type"),
        (HEADER + "1\t2\ta\n\n3\tx\tb\n", "utf-8", "row 4: duration is 'x'"),
        ("onset\tonset\tduration\ttrial_type\n1\t1\t1\ta\n", "utf-8", "the column 'onset' twice"),
        (HEADER + "1\t2\tgr\u00fcn\n", "latin-1", "is not UTF-8"),
    ],
)
def test_wrong_events_name_file_row_and_reason(tmp_path, text, encoding, message):
    """Every error says where it is and what is wrong."""
    with pytest.raises(InputError, match=message) as error:
        events(tmp_path, text, encoding)
    assert str(tmp_path / "events.tsv") in str(error.value)
    assert "to do:" in str(error.value)


def test_numbers_survive_a_table(tmp_path):
    """A table of numbers is read back as it was, to the last bit."""
    path, rows = tmp_path / "t.tsv", [[0.1, -1e-17], [2 / 3, 1e300]]
    table_writer.write_table(path, ["a", "b c"], rows)
    assert cells.read_columns(path) == (["a", "b c"], rows)
    assert cells.read_columns(path, ["b c"]) == (["b c"], [[-1e-17], [1e300]])
    with pytest.raises(InputError, match="lacks the column d"):
        cells.read_columns(path, ["d"])


def test_json_has_sorted_keys(tmp_path):
    """The same content gives the same bytes, whatever its order."""
    sidecars.write_json(tmp_path / "a.json", {"b": 1, "a": [1.5]})
    sidecars.write_json(tmp_path / "b.json", {"a": [1.5], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert sidecars.read_json(tmp_path / "a.json") == {"a": [1.5], "b": 1}


def test_quotes_are_characters_like_others(tmp_path):
    """A stray quote does not swallow the rows that follow."""
    rows = events(tmp_path, HEADER + '1\t1\t"a\n2\t1\ta\n3\t1\ta"\n')
    assert [row.trial_type for row in rows] == ['"a', "a", 'a"']


def test_names_with_tabs_are_not_written(tmp_path):
    """A name cannot break a table apart."""
    with pytest.raises(InputError, match="holds a tab or a line break"):
        table_writer.write_table(tmp_path / "t.tsv", ["a"], [["b\tc"]])
    assert not list(tmp_path.iterdir())
