"""A saved design as every stage reads it."""

import numpy as np
import pytest

from firstlevel.glm import effects, estimable
from firstlevel.glm.estimable import RunDesign
from firstlevel.io import designs, sidecars, table_writer
from firstlevel.stage import InputError

ROLES = {"faces": "condition", "faces_gain": "condition", "censor_1": "censor", "drift_1": "drift"}
ROLES |= {"constant": "constant"}
MATRIX = [
    [1.0, 0.5, 0, 0.1, 1],
    [0, 0, 1, 0.2, 1],
    [0.5, 2, 0, 0.3, 1],
    [0.25, 1, 0, 0.5, 1],
    [3, 0, 0, 0, 1],
]


@pytest.fixture
def saved(tmp_path):
    """Function that writes a design with changes to its sidecar, and reads it."""

    def make(matrix=MATRIX, **content):
        table_writer.write_table(tmp_path / "d.tsv", list(ROLES), matrix)
        columns = [{"Name": name, "Role": role} for name, role in sorted(ROLES.items())]
        sidecars.write_json(tmp_path / "d.json", {"Columns": columns} | content)
        return designs.read(tmp_path / "d.tsv", tmp_path / "d.json")

    return make


def test_columns_have_the_roles_of_their_names(saved):
    """Also where the sidecar lists them in another order than the table; censored scans do not count."""
    design = saved()
    assert design.roles == list(ROLES.values())
    assert design.columns("condition", "drift") == [0, 1, 3]
    assert design.kept.tolist() == [True, False, True, True, True]
    np.testing.assert_array_equal(design.matrix, MATRIX)


def test_what_the_sidecar_does_not_say_is_nothing(saved):
    """A given design has no responses, an older one no steps."""
    design = saved()
    assert (design.repetition_time, design.has_equal_steps, design.is_given) == (None, True, False)
    assert (design.empty, design.responses, design.modulated_by, design.fir_delays) == ({}, {}, {}, ())
    told = saved(
        EqualSteps=False, DesignSource="x", RepetitionTime=2.5, FrameTimes=[0, 2.5], FirDelaysSeconds=[1]
    )
    assert (told.repetition_time, told.has_equal_steps, told.is_given) == (2.5, False, True)
    assert (told.frame_times.tolist(), told.fir_delays) == ([0, 2.5], (1,))


def test_run_tells_why_it_cannot_estimate(saved):
    """A regressor that it has not, one that is empty, one that follows from another; none where it can."""
    matrix = np.array(MATRIX)
    assert estimable.why_not(RunDesign.of(saved()), ["faces"]) == ""
    assert estimable.why_not(RunDesign.of(saved()), ["houses"]) == "no regressor 'houses'"
    matrix[:, 1] = 0
    empty = saved(matrix.tolist(), EmptyRegressors=[{"Name": "faces_gain", "Reason": "no event has a value"}])
    assert "faces_gain: no event has a value" in estimable.why_not(RunDesign.of(empty), ["faces_gain"])
    matrix[:, 1] = 2 * matrix[:, 0]
    twice = RunDesign.of(saved(matrix.tolist()))
    assert estimable.why_not(twice, ["faces"]).startswith("dependent regressors: ")
    with pytest.raises(InputError, match=r"(?s)no run can estimate face \(.*did you mean 'faces'"):
        raise estimable.in_no_run([twice], ["no regressor 'face'"], ["face"], "x")


def test_unit_of_a_modulator_is_that_of_its_column(saved):
    """A condition that a column scales has the unit of a condition."""
    modulators = [
        {"Name": "faces", "Condition": "faces", "Column": "modulation"},
        {"Name": "faces_gain", "Condition": "faces", "Column": "gain"},
    ]
    design = RunDesign.of(saved(Modulators=modulators, Responses={"faces": {}, "faces_gain": {}}))
    unit = effects.unit([design], ["faces_gain"], "voxel", is_standardised=False)
    assert unit.startswith("percent of each voxel's mean, for one unit of gain, at the plateau")
    assert "for one unit" not in effects.unit([design], ["faces"], "voxel", is_standardised=False)
    assert effects.unit([design], ["faces"], "none", is_standardised=True) == effects.APPROXIMATE_UNIT
