"""Config files that are no YAML: the row where reading ended, and what is no mistake."""

import os

import pytest
import yaml
from studies import ROOT

from firstlevel.plan import config_files
from firstlevel.stage import InputError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a: 1\nstudy: {source: table\n", "row 2: is no YAML: .*flow mapping, which begins in row 2"),
        (b"a: 1\nstudy:\n\tsource: table\n", "(?s)row 3: is no YAML: .*to do: indent with blanks, not tabs"),
        (b"a: 1\nb: c: d\n", "row 2: is no YAML: mapping values are not allowed"),
        (b"a: 'x\nb: c\nd: e\n", "row 3: is no YAML: .*quoted scalar, which begins in row 1"),
        (b"a:\n  b: 1\n   c: 2\n", "row 3: is no YAML"),
        (b"a: 1\nb: @x\n", "row 2: is no YAML"),
        (b"a: 1\nb: *none\n", "row 2: is no YAML: found undefined alias"),
        (b"a: 1\nb: !odd x\n", "row 2: is no YAML: could not determine a constructor"),
        (b"a: 1\nb: \x01\n", "row 2: is no YAML: control characters are not allowed"),
        (b"a: 1\nb: caf\xe9\n", r"(?s)row 2: is not UTF-8 text \(byte 0xe9\).*save it as UTF-8"),
        (b"a: 1\nb: 2020-13-01\n", "has a value that YAML cannot read: month must be in 1..12"),
        (b"", "is empty"),
        (b"# nothing\n", "is empty"),
        (b"- a\n", "holds a list, and no keys"),
        (b"faces\n", "holds a str, and no keys"),
        (b'{"a": 1,\n"b": }x\n', "row 2: is no YAML"),
    ],
)
@pytest.mark.parametrize("is_pure", [True, False])
def test_row_where_reading_ended_is_told(tmp_path, monkeypatch, text, message, is_pure):
    """With libyaml and without it, which words some problems otherwise."""
    if is_pure:
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
        message = message.replace("control characters", "special characters")
    (tmp_path / "c.yaml").write_bytes(text)
    with pytest.raises(InputError, match=message) as stop:
        config_files.check(tmp_path / "c.yaml")
    assert str(stop.value).startswith(f"{tmp_path / 'c.yaml'}")


@pytest.mark.parametrize(
    "text", ["a: 1\n", '{\n\t"a": 1\n}', "\ufeffa: 1\n", "a: &x [1]\nb: *x\n", "[" * 3000, "a: 1\n---\n"[:5]]
)
def test_what_snakemake_reads_passes(tmp_path, text):
    """JSON with tabs, a mark of the byte order; what is too deep is told of later."""
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    config_files.check(tmp_path / "c.yaml")


def test_pipes_and_missing_files_are_left_to_snakemake(tmp_path):
    """A pipe can be read once."""
    os.mkfifo(tmp_path / "pipe")
    config_files.check(tmp_path / "pipe")
    config_files.check(tmp_path / "none.yaml")


def test_every_config_of_a_command_is_checked_or_the_default(tmp_path, capsys, monkeypatch):
    """In both spellings of the option, before or after others."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("a: 1\n")
    bad.write_text("a: [\n")
    config_files.check_command_line(["--cores", "2", "--configfile", f"{good}", "-n"])
    config_files.check_command_line(["maps"])  # the default config is one
    for arguments in (["--configfile", f"{good}", f"{bad}"], ["-n", f"--configfiles={bad}", "-p"]):
        with pytest.raises(SystemExit) as stop:
            config_files.check_command_line(arguments)
        assert stop.value.code == 1
        assert f"{bad}, row 1: is no YAML" in capsys.readouterr().err
    assert config_files.DEFAULT == ROOT / "config/config.yaml"
    monkeypatch.setattr(config_files, "DEFAULT", bad)
    with pytest.raises(SystemExit):
        config_files.check_command_line(["--cores", "2"])
