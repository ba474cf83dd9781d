"""Text of the user's: what of it neither a terminal nor Snakemake may take for a command."""

import logging
import random
import unicodedata

import pytest

from firstlevel import stage, texts
from firstlevel.stage import InputError


def test_nothing_that_a_terminal_obeys_is_left():
    """Of all of Unicode: categories Cc (controls), Cs (bytes of names), and what turns the direction."""
    everything = "".join(map(chr, range(0x110000)))
    left = texts.visible(everything)
    kinds = {unicodedata.category(letter) for letter in left if letter not in "\t\n"}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
    turning = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert not {unicodedata.bidirectional(letter) for letter in left} & turning
    letters = "é ß 漢字 עברית فارسی می‌خواهم 👩‍🔬 <small> $5 {x} \\ \t\n"
    assert texts.visible(letters) == letters


def test_escapes_stand_as_python_writes_them():
    """What it was can be read off."""
    name = b"\x1b[31mred \xff\xe2\x80\xae".decode("utf-8", "surrogateescape")
    assert texts.visible(name) == "\\x1b[31mred \\xff\\u202e"


def test_one_name_has_one_form():
    """Decomposed or not, and its control characters are seen."""
    assert texts.composed("cafe\u0301") == "café"
    assert texts.composed("a\x1b[2J") == "a\\x1b[2J"


@pytest.mark.parametrize("length", [10, 1499, 1500, 1501, 100_000])
def test_long_text_loses_its_middle(length):
    """A quoted file does not fill the screen."""
    short = texts.shortened("x" * length)
    assert len(short) == min(length, 1500)
    assert ("\N{HORIZONTAL ELLIPSIS}" in short) == (length > 1500)
    assert texts.shortened("a" * 100 + "_derivative", 40).endswith("a_derivative")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("a/<old>/b", "has <old> in its name"),
        ("a/{x}.nii", "has {x} in its name"),
        ("a/{x,[a-z]+}.nii", "has {x,"),
        ("a/{v1.2}.nii", "has {v1.2}"),
        ("a/{ x , a{3} }.nii", "has { x , a{3} }"),
        ("a\x1b[31m", "a control character"),
        ("a\nb", "a control character"),
        ("a\u202egpj.nii", "a control character"),
        ("\u2067a\u2069", "a control character"),
        ("a\u2028b", "a control character"),
        ("a\x9b31mb", "a control character"),
        ("caf\udce9", "a byte that is not UTF-8"),
    ],
)
def test_path_that_is_none_for_snakemake_or_a_terminal_is_told(path, told):
    """Rare characters that nothing takes for a command are no reason."""
    assert told in texts.odd_in(path)


@pytest.mark.parametrize("path", ["a<b", "a>b", "x{", "{}", "{a-b}", "<B>", "é עברית\u200f '\"$*?[x]", "a b"])
def test_paths_that_are_taken_as_they_are(path):
    """Rare characters are no reason to leave a run out."""
    assert texts.odd_in(path) is None


@pytest.mark.parametrize("seed", range(5))
def test_what_is_told_of_a_path_is_what_snakemake_finds_in_it(seed):
    """Against its own expressions, on random text of the characters that matter."""
    wildcard = pytest.importorskip("snakemake.io").WILDCARD_REGEX
    variable = pytest.importorskip("snakemake.pathvars").PATHVAR_REGEX
    draw = random.Random(seed)
    for _ in range(20_000):
        path = "".join(draw.choices("{{}}<>ax_0.,- é[]/A", k=draw.randint(2, 9)))
        assert bool(wildcard.search(path) or variable.search(path)) == bool(texts.odd_in(path)), path


def test_messages_and_logs_show_no_command(tmp_path, capsys):
    """An error quotes a name with an escape sequence, in the log and on the terminal, and not all of it."""

    def hostile():
        logging.warning("%s", "\x1b[2J\u202etxt")
        raise InputError("e\x1b[31m.tsv", "y" * 10**6, expected="\udcff", remedy="-")

    class Called:
        log, input, output, params, wildcards, threads = [tmp_path / "log.txt"], {}, {}, {}, {}, 1

    with pytest.raises(SystemExit):
        stage.run(hostile, Called)
    for text in (capsys.readouterr().err, (tmp_path / "log.txt").read_text()):
        assert not texts.UNSEEN.search(text)
        assert "e\\x1b[31m.tsv: " in text
        assert "expected: \\xff" in text
    assert (tmp_path / "log.txt").stat().st_size < 10_000
