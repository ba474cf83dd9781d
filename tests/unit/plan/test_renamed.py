"""Keys of the config that had another name: each gives an error that names the new one."""

import pytest
from checked_configs import SCHEMA, checked

from firstlevel.plan.renamed import RENAMED, VALUES
from firstlevel.stage import InputError

STUDY = "study: {source: simulated, repetition_time: 2, %s}\n"
CONTRASTS = "contrasts: {a: faces}\n"


def text_of(key, value):
    """Config, as YAML, that sets one key."""
    *sections, name = key.split(".")
    if sections[:1] == ["study"]:
        return STUDY % f"{name}: {value}" + CONTRASTS
    inner = f"{name}: {value}"
    for section in reversed(sections):
        inner = f"{section}: {{{inner}}}"
    return STUDY % "" + CONTRASTS + inner


def has(schema, key):
    """Whether a schema has a key, by its sections."""
    for name in key.split("."):
        schema = schema.get("properties", {}).get(name)
        if schema is None:
            return False
    return True


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_key_names_the_new_one(old):
    """Whatever its value; the new key is one of the schema, the old one is not."""
    for value in ("0.5", "[a]", "x", "null", "{}", "false"):
        with pytest.raises(InputError) as stop:
            checked(text_of(old, value))
        assert f"{old} is now {RENAMED[old]}" in str(stop.value)
        assert "unknown key" not in str(stop.value)
    assert has(SCHEMA, RENAMED[old])
    assert not has(SCHEMA, old)


@pytest.mark.parametrize(
    ("old", "value", "new"),
    [
        ("report", "false", "(report: false is outputs: [maps, figures])"),
        ("report", "true", "(report: true is the default of outputs: leave it out)"),
        ("figures.draw", "false", "(draw: false is outputs: [maps])"),
        ("figures.draw", "true", "(draw: true is the default of outputs: leave it out)"),
    ],
)
def test_an_old_value_is_told_where_it_has_another_form(old, value, new):
    """The new value can be copied from the message, and is valid."""
    with pytest.raises(InputError) as stop:
        checked(text_of(old, value))
    assert new in str(stop.value)
    if value == "false":
        checked(STUDY % "" + CONTRASTS + VALUES[old][False])


def test_keys_within_a_section_that_moved_are_told_with_it():
    """One message names the new place of the section, the key in it, and every other mistake."""
    with pytest.raises(InputError) as stop:
        checked(text_of("design", "{censor: {framewise_displacement: 0.5, column: x}, high_pas: 1}"))
    for words in (
        "design.censor is now confounds.censor; "
        "design.censor.framewise_displacement is now confounds.censor.fd_threshold",
        "unknown key design.high_pas (did you mean 'high_pass'?",
    ):
        assert words in str(stop.value)
    assert "design.censor.column" not in str(stop.value)
