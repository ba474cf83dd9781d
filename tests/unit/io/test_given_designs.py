"""Ready-made designs: each form as another program writes it, and what of it becomes the design of a run."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.linalg
from checked_configs import checked
from quality_run import make_run
from with_headers import make_design_matrix

from firstlevel.io import event_table, given_fsl, table_writer
from firstlevel.io.given_designs import located, read
from firstlevel.plan import checks, model, study
from firstlevel.plan.model import Model
from firstlevel.reporting import methods, run_facts
from firstlevel.stage import InputError

N, SECONDS = 40, 2.0
SAME_FIT = 1e-9
"""Betas near 1 of two least-squares fits that are one by algebra; 1e-13 is found."""


@pytest.fixture
def columns():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.standard_normal((N, 3)) / 3, columns=["faces", "left hand", "rot_x"])
    return frame.assign(constant=1.0)


@pytest.fixture
def made(tmp_path):
    """Design of the stage as a table, and its sidecar, from a file that is given."""
    nib.Nifti1Image(np.zeros((2, 2, 2, N), np.float32), np.eye(4)).to_filename(tmp_path / "bold.nii")

    def make(*given, part=(1, 1)):
        make_design_matrix(
            source=[],
            rules={"needed": False},
            bold=[tmp_path / "bold.nii"],
            design=tmp_path / "out.tsv",
            sidecar=tmp_path / "out.json",
            repetition_time=SECONDS,
            repetition_time_decides=True,
            slice_time_ref=0.0,
            hrf_model="spm",
            drift_model="cosine",
            high_pass=0.01,
            min_onset=-24,
            oversampling=50,
            columns=[],
            given=list(given),
            given_part=part,
        )
        design = pd.read_csv(tmp_path / "out.tsv", sep="\t")
        return design, json.loads((tmp_path / "out.json").read_text())

    return make


def roles(sidecar):
    return {column["Name"]: column["Role"] for column in sidecar["Columns"]}


WRITERS = {
    "nilearn's to_csv": lambda frame, path: frame.set_index(SECONDS * np.arange(N)).to_csv(path),
    "index, read and written again": lambda frame, path: frame.reset_index(names="Unnamed: 0").to_csv(path),
    "named index": lambda frame, path: frame.reset_index(names="frame_times").to_csv(path, index=False),
    "no index": lambda frame, path: frame.to_csv(path, index=False),
    "tabs": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "tabs and an index": lambda frame, path: frame.to_csv(path, sep="\t"),
    "semicolons": lambda frame, path: frame.to_csv(path, index=False, sep=";"),
    "quotes, Windows": lambda frame, path: frame.to_csv(
        path, index=False, quoting=1, lineterminator="\r\n", encoding="utf-8-sig"
    ),
    "R's write.table": lambda frame, path: path.write_text(
        " ".join(f'"{name}"' for name in frame)
        + "\n"
        + "".join(f'"{k + 1}" {" ".join(map(repr, row))}\n' for k, row in enumerate(frame.values.tolist()))
    ),
    "compressed": lambda frame, path: frame.to_csv(path, index=False, compression="gzip"),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_table_is_taken_bit_for_bit_without_its_index(tmp_path, made, columns, writer):
    """Whatever writes it: the columns, their names and order, and nothing else."""
    WRITERS[writer](columns, tmp_path / "own.csv")
    design, sidecar = made(tmp_path / "own.csv")
    pd.testing.assert_frame_equal(design, columns, check_exact=True)
    assert read(tmp_path / "own.csv", names_only=True).names == list(columns)
    assert roles(sidecar) == {
        "faces": "given",
        "left hand": "given",
        "rot_x": "given",
        "constant": "constant",
    }
    assert (sidecar["DesignSource"], sidecar["Rank"]) == ("the given design", 4)
    assert not {"HrfModel", "DriftModel", "HighPass", "Responses", "StartTime"} & sidecar.keys()
    assert "Warnings" not in sidecar
    assert str(tmp_path) not in json.dumps(sidecar)


def test_index_of_another_repetition_time_is_told(tmp_path, made, columns):
    """Steps of seconds that are not those of the run, not row numbers."""
    for step, told in ((1.5, True), (1, False), (SECONDS * 1.001, False)):
        columns.set_index(step * np.arange(N)).to_csv(tmp_path / "own.csv")
        _, sidecar = made(tmp_path / "own.csv")
        assert ("its index counts in steps of 1.5" in str(sidecar.get("Warnings"))) == told


def test_column_that_grows_like_an_index_is_taken_and_told(tmp_path, made, columns):
    """Nobody can know: it may be a trend."""
    columns.insert(0, "scan", np.arange(1, N + 1))
    columns.to_csv(tmp_path / "own.csv", index=False)
    design, sidecar = made(tmp_path / "own.csv")
    assert list(design) == list(columns)
    assert "scan, the first column of the given design, grows like an index" in sidecar["Warnings"][0]


def test_names_are_those_of_the_whole_file_however_long_they_are(tmp_path, columns):
    """Only the beginning is read for names, if that has them."""
    for n_columns in (3, 900, 9000):
        frame = pd.DataFrame(np.ones((4, n_columns))).add_prefix("regressor_")
        frame.to_csv(tmp_path / f"{n_columns}.csv")
        given = read(tmp_path / f"{n_columns}.csv", names_only=True)
        assert given.names == read(tmp_path / f"{n_columns}.csv").names == list(frame)
        path = fsl(tmp_path / f"{n_columns}.mat", frame.to_numpy())
        head = path.read_text().replace("1.0e+00\n", "1.0e+00\t" * n_columns + "\n", 1)
        path.write_text(head)
        assert read(path, names_only=True).names[-1] == f"ev{n_columns}" == read(path).names[-1]


def test_numbers_alone_have_columns_by_number(tmp_path, made, columns):
    """As 1dcat and MATLAB's save -ascii write them."""
    np.savetxt(tmp_path / "own.1D", columns.to_numpy())
    design, sidecar = made(tmp_path / "own.1D")
    assert list(design) == ["column_1", "column_2", "column_3", "column_4"]
    np.testing.assert_array_equal(design, np.loadtxt(tmp_path / "own.1D"))
    assert roles(sidecar)["column_4"] == "constant"


def test_roles_are_those_that_values_and_names_tell(tmp_path, made, columns):
    """One volume taken out, a drift, an empty column; what is not known is given."""
    own = columns.assign(
        drift_1=np.linspace(-1, 1, N),
        cosine00=np.cos(np.arange(N)),
        motion_outlier00=np.eye(N)[7],
        censor_3=np.eye(N)[3],
        event=np.eye(N)[9],
        never=0.0,
    )
    own.to_csv(tmp_path / "own.csv", index=False)
    _, sidecar = made(tmp_path / "own.csv")
    assert {name: role for name, role in roles(sidecar).items() if role != "given"} == {
        "constant": "constant", "drift_1": "drift", "cosine00": "drift", "motion_outlier00": "censor",
        "censor_3": "censor",
    }  # fmt: skip
    assert sidecar["CensoredScans"] == [3, 7]
    assert [one["Name"] for one in sidecar["EmptyRegressors"]] == ["never"]
    assert sidecar["DependentColumns"] == [{"Name": "never", "FollowsFrom": []}]


@pytest.mark.parametrize("centred", [True, False])
def test_constant_is_added_only_where_no_sum_of_columns_is_one(tmp_path, made, columns, centred):
    """Images have a mean: a design must be able to fit it. Two halves of a run add up to a constant."""
    own = columns.drop(columns="constant")
    half = (np.arange(N) < N / 2).astype(float)
    own.assign(a=half, b=1 - half).to_csv(tmp_path / "own.csv", index=False)
    design, sidecar = made(tmp_path / "own.csv")
    assert list(design) == ["faces", "left hand", "rot_x", "a", "b"]
    assert "constant" not in roles(sidecar).values()
    (own - own.mean() if centred else own).to_csv(tmp_path / "own.csv", index=False)
    design, sidecar = made(tmp_path / "own.csv")
    assert list(design) == ["faces", "left hand", "rot_x", "constant"]
    assert "do not span a constant" in sidecar["DesignNotes"][-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda own: own[:-1], r"has 39 rows for a run of 40 scans"),
        (lambda own: own.assign(faces=np.nan), r"row 2: faces is ''"),
        (lambda own: own.assign(faces=np.inf), r"row 2: faces is 'inf'"),
        (lambda own: own.rename(columns={"rot_x": "faces"}), "two regressors have the name 'faces'"),
        (lambda own: own.rename(columns={"rot_x": ""}), "column 3 has no name"),
        (lambda own: own.assign(constant=own["faces"]), "'constant' is not constant"),
        (lambda own: own.astype(str).replace(r"\.", ",", regex=True), "faces is '"),
        (lambda own: pd.DataFrame(np.eye(N)).add_prefix("x"), "40 scans for 40 regressors of rank 40"),
    ],
)
def test_wrong_table_is_refused_with_what_is_wrong(tmp_path, made, columns, change, message):
    """Length, values, names and rank; no design is written."""
    change(columns).to_csv(tmp_path / "own.csv", index=False)
    with pytest.raises(InputError, match=message):
        made(tmp_path / "own.csv")
    assert not (tmp_path / "out.tsv").exists()


def test_empty_file_and_cut_off_row_are_refused(tmp_path):
    """Neither is a design of fewer scans."""
    path = tmp_path / "own.tsv"
    for text, message in (("", "is empty"), ("a\tb\n1\t2\n1\n", "row 3: has 1 values instead of 2")):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read(path)


def fsl(path, values, fsf=None):
    """Write FSL's design.mat, and design.fsf where a text is given."""
    rows = "".join("\t".join(f"{value:.6e}" for value in row) + "\t\n" for row in values)
    n_rows, n_columns = values.shape
    head = f"/NumWaves\t{n_columns}\n/NumPoints\t{n_rows}\n/PPheights\t\t1.0e+00\n\n/Matrix\n"
    path.write_text(head + rows)
    if fsf is not None:
        path.with_suffix(".fsf").write_text(fsf)
    return path


FSF = """set fmri(evs_orig) 2
set fmri(convolve1) 3
set fmri(convolve2) 0
set fmri(evs_real) 3
set fmri(confoundevs) {confounds}
set fmri(evtitle1) "faces"
set fmri(deriv_yn1) 1
set fmri(evtitle2) "left hand"
set fmri(deriv_yn2) 0
"""


@pytest.mark.parametrize(
    ("n_columns", "fsf", "names"),
    [
        (3, None, ["ev1", "ev2", "ev3"]),
        (3, FSF.format(confounds=0), ["faces", "faces_derivative", "left hand"]),
        (4, FSF.format(confounds=1), ["faces", "faces_derivative", "left hand", "confound_1"]),
        (4, FSF.format(confounds=0), ["ev1", "ev2", "ev3", "ev4"]),
        (2, FSF.format(confounds=0), ["ev1", "ev2"]),
        (3, FSF.replace("evs_real) 3", "evs_real) 4").format(confounds=0), ["ev1", "ev2", "ev3"]),
        (3, FSF.replace('"left hand"', '""').format(confounds=0), ["ev1", "ev2", "ev3"]),
    ],
)
def test_fsl_design_has_titles_where_they_are_sure_and_a_constant(tmp_path, made, n_columns, fsf, names):
    """FSL takes the mean out of data and design; the constant comes back, in betas nothing changes."""
    rng = np.random.default_rng(5)
    values = rng.standard_normal((N, n_columns))
    values -= values.mean(axis=0)
    path = fsl(tmp_path / "design.mat", values, fsf)
    design, sidecar = made(path, *given_fsl.beside(path))
    assert list(design) == [*names, "constant"] == [*read(path, names_only=True).names, "constant"]
    written = np.loadtxt(path, skiprows=5)
    np.testing.assert_array_equal(design.to_numpy()[:, :-1], written)
    assert sidecar["DesignForm"] == "FSL design.mat"
    expected = {"faces": "condition", "faces_derivative": "derivative", "left hand": "given"}
    assert all(roles(sidecar)[name] == role for name, role in expected.items() if name in names)
    assert any("FSL takes that out of the images" in note for note in sidecar["DesignNotes"])
    y = 500 + rng.standard_normal(N)
    demeaned = np.linalg.lstsq(written, y - y.mean(), rcond=None)[0]
    whole = np.linalg.lstsq(design.to_numpy(), y, rcond=None)[0]
    np.testing.assert_allclose(whole[:-1], demeaned, rtol=0, atol=1e-6)  # columns have six decimals


def test_cut_off_fsl_design_is_refused(tmp_path):
    """Its header says how many rows and columns there are."""
    path = fsl(tmp_path / "design.mat", np.ones((N, 2)))
    whole = path.read_text()
    path.write_text("".join(whole.splitlines(keepends=True)[:-3]))
    with pytest.raises(InputError, match="has 37 rows below /Matrix"):
        read(path)
    path.write_text(whole[:-5])
    with pytest.raises(InputError, match="row 45: .*is '1.0"):
        path.write_text(whole[:-14] + "1.0e\n")
        read(path)
    path.write_text(whole.replace("/NumPoints", "/Num"))
    with pytest.raises(InputError, match="lacks /NumWaves or /NumPoints"):
        read(path)


LABELS = ["Run#1Pol#0", "Run#1Pol#1", "Run#2Pol#0", "Run#2Pol#1", "faces#0", "rest#0", "roll#0"]


def xmat(path, values, *, good=None, starts=(0, N), n_full=2 * N, groups="4@-1,1@1,1@2,1@0"):
    """Write AFNI's X-matrix as 3dDeconvolve does."""
    n_rows, n_columns = values.shape
    lines = [
        "# <matrix",
        f'#  ni_type = "{n_columns}*double"',
        f'#  ni_dimen = "{n_rows}"',
        f'#  ColumnLabels = "{" ; ".join(LABELS)}"',
        f'#  ColumnGroups = "{groups}"',
        '#  RowTR = "2"',
        f'#  GoodList = "{good or f"0..{n_rows - 1}"}"',
        f'#  NRowFull = "{n_full}"',
        f'#  RunStart = "{",".join(map(str, starts))}"',
        '#  CommandLine = "3dDeconvolve -num_stimts 2"',
        "# >",
        *(" " + " ".join(f"{value:.9g}" for value in row) for row in values),
        "# </matrix>",
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def two_runs():
    """Two runs with baselines of their own; rest is in the second alone."""
    rng = np.random.default_rng(7)
    baseline = np.column_stack([np.ones(N), np.linspace(-1, 1, N)])
    values = np.hstack([scipy.linalg.block_diag(baseline, baseline), rng.standard_normal((2 * N, 3))])
    values[:N, 5] = 0
    return np.array([[float(f"{value:.9g}") for value in row] for row in values])


def test_afni_matrix_gives_the_rows_and_columns_of_a_run(tmp_path, made, two_runs):
    """The baseline of the other run is none here; a condition without an event stays, and is empty."""
    path = xmat(tmp_path / "X.xmat.1D", two_runs)
    first, sidecar = made(path, part=(1, 2))
    assert list(first) == ["Run#1Pol#0", "Run#1Pol#1", "faces#0", "rest#0", "roll#0"]
    np.testing.assert_array_equal(first, two_runs[:N, [0, 1, 4, 5, 6]])
    assert roles(sidecar) == {
        "Run#1Pol#0": "constant", "Run#1Pol#1": "drift", "faces#0": "condition", "rest#0": "condition",
        "roll#0": "confound",
    }  # fmt: skip
    assert [one["Name"] for one in sidecar["EmptyRegressors"]] == ["rest#0"]
    second, _ = made(path, part=(2, 0))
    assert list(second) == read(path, (2, 0), names_only=True).names
    np.testing.assert_array_equal(second, two_runs[N:, [2, 3, 4, 5, 6]])
    with pytest.raises(InputError, match="holds 2 sessions, and 3 runs of the subject name it"):
        made(path, part=(1, 3))
    with pytest.raises(InputError, match="holds 2 sessions, and session 4 is asked for"):
        read(path, (4, 0))


AS_AFNI_SHOWS_IT = """# <matrix
#  ni_type = '3*double'
#  ni_dimen = "4"
#  ColumnLabels = 'Run#1Pol#0 ; this &amp; that#0 ; roll#0'
#  ColumnGroups = "-1,1,0"
#  GoodList = "0,2..4(1)"
#  NRowFull = "5"
#  CommandLine = "3dDeconvolve -x1D X.xmat.1D &amp;&amp; echo"
# >
 1 0.5 0
 1 0.1 1
 1 0.3 0
 1 0.4 1
# </matrix>
"""


def test_header_of_afni_has_either_quotes_and_groups_without_a_count(tmp_path):
    """Attributes are XML's; GoodList may have steps, and one run has no RunStart."""
    (tmp_path / "X.xmat.1D").write_text(AS_AFNI_SHOWS_IT)
    given = read(tmp_path / "X.xmat.1D", (5, 9))
    assert given.names == ["Run#1Pol#0", "this & that#0", "roll#0", "censor_1"]
    assert [*given.roles.values()] == ["constant", "condition", "confound", "censor"]
    assert given.rows == [[1, 0.5, 0, 0], [0, 0, 0, 1], [1, 0.1, 1, 0], [1, 0.3, 0, 0], [1, 0.4, 1, 0]]


def test_scans_that_afni_censored_are_back_and_change_no_beta(tmp_path, made, two_runs):
    """A regressor for each of them: betas are those of the rows that are left, whatever the volume holds."""
    kept = [k for k in range(2 * N) if k not in (3, 4, N, N + 11)]
    path = xmat(
        tmp_path / "X.xmat.1D",
        two_runs[kept],
        good=f"0..2,5..{N - 1},{N + 1}..{N + 10},{N + 12}..{2 * N - 1}",
    )
    y = np.random.default_rng(1).standard_normal(2 * N)
    y[[3, 4, N, N + 11]] += 50
    for part, censored, own in (((1, 2), [3, 4], [0, 1, 4, 6]), ((2, 2), [0, 11], [2, 3, 4, 5, 6])):
        design, sidecar = made(path, part=part)
        assert sidecar["CensoredScans"] == censored
        assert roles(sidecar)[f"Run#{part[0]}Pol#0"] == "constant"
        assert [name for name, role in roles(sidecar).items() if role == "censor"] == [
            f"censor_{scan}" for scan in censored
        ]
        rows = slice(N * (part[0] - 1), N * part[0])
        left = [k for k in kept if rows.start <= k < rows.stop]
        expected = np.linalg.lstsq(two_runs[np.ix_(left, own)], y[left], rcond=None)[0]
        found = dict(zip(design, np.linalg.lstsq(design.to_numpy(), y[rows], rcond=None)[0], strict=True))
        names = [LABELS[k] for k in own]
        np.testing.assert_allclose([found[name] for name in names], expected, rtol=0, atol=SAME_FIT)


def test_afni_matrix_whose_header_and_rows_disagree_is_refused(tmp_path, two_runs):
    """Rows that were taken out in another way, columns that are not there, no finite number."""
    with pytest.raises(
        InputError, match=r"(?s)has 79 rows, but its header lists 80 of 80 scans.*X\.nocensor"
    ):
        read(xmat(tmp_path / "a.1D", two_runs[1:], good="0..79"), (1, 2))
    with pytest.raises(InputError, match="has 79 rows, but its header lists 80 of 80 scans"):
        path = xmat(tmp_path / "d.1D", two_runs[1:])
        path.write_text(
            "".join(line + "\n" for line in path.read_text().splitlines() if "GoodList" not in line)
        )
        read(path, (1, 2))
    order = "1,0,2..79"
    with pytest.raises(InputError, match="has 80 rows, but its header lists 80 of 80 scans"):
        read(xmat(tmp_path / "e.1D", two_runs, good=order), (1, 2))
    with pytest.raises(InputError, match="does not have 7 values"):
        read(xmat(tmp_path / "b.1D", two_runs[:, 1:]), (1, 2))
    two_runs[0, 0] = np.nan
    with pytest.raises(InputError, match="row 12: Run#1Pol#0 is 'nan'"):
        read(xmat(tmp_path / "c.1D", two_runs), (1, 2))


def cells(names):
    """Write names as a MATLAB cell array."""
    return np.array(names, dtype=object).reshape(1, -1)


def structures(rows):
    """Write mappings as a MATLAB structure array."""
    found = np.empty((1, len(rows)), dtype=[(key, object) for key in rows[0]])
    for k, row in enumerate(rows):
        found[0, k] = tuple(row.values())
    return found


def dct(n, seconds, cut_off):
    """SPM's discrete cosine set, from its formula, column by column."""
    order = int(np.fix(2 * n * seconds / cut_off + 1))
    return np.array([[np.sqrt(2 / n) * np.cos(np.pi * (2 * t + 1) * k / (2 * n)) for k in range(1, order)]
                     for t in range(n)])  # fmt: skip


def spm_mat(path, names, values, own, filters, basis="hrf (with time derivative)"):
    """Write SPM.mat of two sessions of N and N + 10 scans, whose own columns are `own`, then constants."""
    n_columns = len(names)
    rows = [np.arange(1, N + 1), np.arange(N + 1, 2 * N + 11)]
    sessions = [
        {"row": r[None, :].astype(float), "col": np.array([c], float)} for r, c in zip(rows, own, strict=True)
    ]
    kept = (
        [{"row": r[None, :].astype(float), **f} for r, f in zip(rows, filters, strict=True)]
        if filters
        else 1.0
    )
    design = {"X": values, "name": cells(names), "iB": np.array([[n_columns - 1.0, n_columns]])}
    design["K"] = structures(kept) if filters else kept
    spm = {"xX": design, "Sess": structures(sessions), "xBF": {"name": basis}, "nscan": [[N, N + 10]]}
    scipy.io.savemat(path, {"SPM": spm})
    return path


OF_SPM = [
    "Sn(1) face*bf(1)", "Sn(1) face*bf(2)", "Sn(1) facexrt^1*bf(1)", "Sn(1) R1",
    "Sn(2) face*bf(1)", "Sn(2) face*bf(2)", "Sn(2) left hand*bf(1)",
    "Sn(1) constant", "Sn(2) constant",
]  # fmt: skip


@pytest.fixture
def spm_values():
    rng = np.random.default_rng(11)
    values = scipy.linalg.block_diag(rng.standard_normal((N, 4)), rng.standard_normal((N + 10, 3)))
    return np.hstack([values, scipy.linalg.block_diag(np.ones((N, 1)), np.ones((N + 10, 1)))])


def filters(with_columns=True, cut_off=32.0):
    return [
        {
            "RT": SECONDS,
            "HParam": cut_off,
            "X0": dct(n, SECONDS, cut_off) if with_columns else np.empty((0, 0)),
        }
        for n in (N, N + 10)
    ]


@pytest.mark.parametrize("with_columns", [True, False])
def test_spm_session_has_its_columns_and_its_filter(tmp_path, made, spm_values, with_columns):
    """Betas of the design with cosines are those that SPM finds of filtered data and design."""
    path = spm_mat(tmp_path / "SPM.mat", OF_SPM, spm_values, [[1, 2, 3, 4], [5, 6, 7]], filters(with_columns))
    design, sidecar = made(path, part=(1, 2))
    own = ["face", "face_derivative", "facexrt^1", "R1", "constant"]
    cosines = [f"drift_{k}" for k in range(1, 6)]
    assert list(design) == [*own, *cosines]
    np.testing.assert_array_equal(design[own], spm_values[:N, [0, 1, 2, 3, 7]])
    x0 = dct(N, SECONDS, 32.0)
    np.testing.assert_allclose(design[cosines], x0, rtol=0, atol=1e-15)
    assert roles(sidecar) == {
        "face": "condition", "face_derivative": "derivative", "facexrt^1": "condition", "R1": "given",
        "constant": "constant", **dict.fromkeys(cosines, "drift"),
    }  # fmt: skip
    assert sidecar["DesignNotes"] == [
        "session 1 of 2",
        "SPM's high-pass filter (32 s) is in the model as 5 cosines, drift_1 and so on",
    ]
    y = np.random.default_rng(2).standard_normal(N)
    residual = np.eye(N) - x0 @ x0.T
    spms = np.linalg.pinv(residual @ spm_values[:N, [0, 1, 2, 3, 7]]) @ (residual @ y)
    ours = np.linalg.lstsq(design.to_numpy(), y, rcond=None)[0]
    np.testing.assert_allclose(ours[:5], spms, rtol=0, atol=SAME_FIT)
    assert read(path, (2, 0)).names[:4] == ["face", "face_derivative", "left hand", "constant"]
    second = np.array(read(path, (2, 2)).rows)
    np.testing.assert_array_equal(second[:, :4], spm_values[N:, [4, 5, 6, 8]])
    np.testing.assert_allclose(second[:, 4:], dct(N + 10, SECONDS, 32.0), rtol=0, atol=1e-15)


def test_spm_of_one_session_has_lost_no_axis(tmp_path):
    """MATLAB's arrays of one element come as single values; one session may be that of many runs."""
    values = np.column_stack([np.arange(N, dtype=float), np.ones(N)])
    rows = np.arange(1.0, N + 1)[None, :]
    design = {"X": values, "name": cells(["Sn(1) face*bf(1)", "Sn(1) constant"]), "iB": 2.0}
    design["K"] = {"RT": SECONDS, "row": rows, "HParam": 128.0, "X0": dct(N, SECONDS, 128.0)}
    for own, session in (
        (design, 1.0),
        ({**design, "X": values[:, 1:], "name": cells(["Sn(1) constant"]), "iB": 1.0}, []),
    ):
        scipy.io.savemat(
            tmp_path / "SPM.mat",
            {"SPM": {"xX": own, "Sess": {"row": rows, "col": session}, "xBF": {"name": "hrf"}}},
        )
        given = read(tmp_path / "SPM.mat", (3, 4))
        assert given.names == [*(["face"] if session else []), "constant", "drift_1"]
        np.testing.assert_array_equal(np.array(given.rows)[:, :-1], own["X"])


def test_spm_without_a_filter_has_none_and_says_so(tmp_path, spm_values):
    """K is 1 in a design without data; an infinite cut-off has no columns."""
    for own in (None, filters(with_columns=False, cut_off=np.inf)):
        path = spm_mat(tmp_path / "SPM.mat", OF_SPM, spm_values, [[1, 2, 3, 4], [5, 6, 7]], own)
        given = read(path, (1, 2))
        assert given.names == ["face", "face_derivative", "facexrt^1", "R1", "constant"]
        assert given.notes[-1] == "it has no high-pass filter, and none is added"


@pytest.mark.parametrize(
    ("basis", "names"),
    [
        ("hrf (with time derivative)", ["face", "face_derivative"]),
        ("Finite Impulse Response", ["face*bf(1)", "face*bf(2)"]),
    ],
)
def test_names_of_spm_are_short_where_they_stay_apart(tmp_path, spm_values, basis, names):
    """Functions of a basis that has no names keep their numbers."""
    path = spm_mat(tmp_path / "SPM.mat", OF_SPM, spm_values, [[1, 2, 3, 4], [5, 6, 7]], filters(), basis)
    assert read(path, (1, 2)).names[:2] == names
    doubled = [OF_SPM[0], "Sn(1) face", *OF_SPM[2:]]
    path = spm_mat(tmp_path / "SPM.mat", doubled, spm_values, [[1, 2, 3, 4], [5, 6, 7]], filters())
    assert read(path, (1, 2)).names[:2] == doubled[:2]


def test_files_that_are_no_spm_design_are_refused(tmp_path, spm_values):
    """MATLAB 7.3, another variable, a session without a filter, a value that is not finite, bytes cut off."""
    path = tmp_path / "SPM.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(600))
    with pytest.raises(InputError, match=r"(?s)MATLAB 7\.3 \(HDF5\).*'-v7'"):
        read(path)
    scipy.io.savemat(path, {"names": 1})
    with pytest.raises(InputError, match="holds no variable SPM"):
        read(path)
    scipy.io.savemat(path, {"SPM": {"xX": {"X": spm_values}}})
    with pytest.raises(InputError, match="cannot be read"):
        read(path)
    spm_values[3, 0] = np.nan
    spm_mat(path, OF_SPM, spm_values, [[1, 2, 3, 4], [5, 6, 7]], filters())
    with pytest.raises(InputError, match=r"Sn\(1\) face\*bf\(1\) is not finite"):
        read(path, (1, 2))
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(InputError, match="cannot be read"):
        read(path, (1, 2))


def test_contrast_of_nilearn_is_that_of_the_same_design(tmp_path, made, columns):
    """The fit of this project and nilearn's, both given the design: t of one series of noise."""
    from nilearn.glm.contrasts import compute_contrast
    from nilearn.glm.first_level import run_glm

    from firstlevel.glm import fit as glm

    columns.set_index(SECONDS * np.arange(N)).to_csv(tmp_path / "own.csv")
    design, _ = made(tmp_path / "own.csv")
    y = np.random.default_rng(4).standard_normal((N, 6))
    labels, results = run_glm(y, columns.to_numpy(), noise_model="ols")
    expected = compute_contrast(labels, results, np.array([1.0, -1, 0, 0]), stat_type="t").effect_size()
    fitted = glm.fit(y, glm.Design.of(design.to_numpy()), "ols", None)
    np.testing.assert_allclose(fitted.beta[0] - fitted.beta[1], expected.ravel(), rtol=0, atol=SAME_FIT)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A table study of two runs, each with a design of its own."""
    monkeypatch.chdir(tmp_path)
    for run in (1, 2):
        nib.Nifti1Image(np.zeros((2, 2, 2, N), np.float32), np.eye(4)).to_filename(f"run-{run}.nii")
        pd.DataFrame({"faces": np.arange(N), "constant": 1}).to_csv(f"own-{run}.csv")
    return tmp_path


def runs_of(rows, more="", contrasts="{a: faces}", header="subject\ttask\trun\tbold\tdesign"):
    """Runs and config of a run table, checked as at the start."""
    Path("runs.tsv").write_text(header + "\n" + "".join("\t".join(row) + "\n" for row in rows))
    config = checked(
        f"study: {{source: table, table: runs.tsv, repetition_time: 2{more.partition('|')[0]}}}\n"
        f"contrasts: {contrasts}\n{more.partition('|')[2]}"
    )
    runs = study.run_table(config, "data")[0]
    checks.check_contrasts(config, runs)
    return config, runs


BOTH = [("01", "x", "1", "run-1.nii", "own-1.csv"), ("01", "x", "2", "run-2.nii", "own-2.csv")]


def test_run_table_names_designs_and_needs_no_events(folder):
    """The column of the run table, or a pattern; names in contrasts are those of the files."""
    _, runs = runs_of(BOTH)
    assert [(run.design, run.design_part, run.events) for run in runs] == [
        ("own-1.csv", (1, 1), ""), ("own-2.csv", (1, 1), ""),
    ]  # fmt: skip
    without = [row[:4] for row in BOTH]
    header = "subject\ttask\trun\tbold"
    config, runs = runs_of(without, ", design: 'own-{run}.csv'", header=header)
    assert [run.design for run in runs] == ["own-1.csv", "own-2.csv"]
    assert checks.contrasts_of(config, runs[0]) == ["a"]
    for contrast in ("{a: face}", "{a: drift_1}"):
        with pytest.raises(InputError, match=r"(?s)contrasts\.a: no run .*one of: faces, constant"):
            runs_of(BOTH, contrasts=contrast)


def test_runs_that_name_one_file_take_its_sessions_in_their_order(folder, two_runs):
    """Or the one that stands behind the file; a design of one session may be that of all runs."""
    xmat(folder / "X.xmat.1D", two_runs)
    header, rows = "subject\ttask\trun\tbold", [row[:4] for row in BOTH]
    for pattern, parts in (("X.xmat.1D", [(1, 2), (2, 2)]), ("X.xmat.1D#{run}", [(1, 0), (2, 0)])):
        config, runs = runs_of(rows, f", design: '{pattern}'", "{a: \"'faces#0'\"}", header)
        assert [(run.design, run.design_part) for run in runs] == [("X.xmat.1D", part) for part in parts]
        assert "Run#2Pol#0" in checks.regressors_of(config, runs[1])
    _, runs = runs_of(rows, ", design: own-1.csv", header=header)
    assert [run.design for run in runs] == ["own-1.csv", "own-1.csv"]
    with pytest.raises(InputError, match="holds 2 sessions, and 1 runs of the subject name it"):
        runs_of(rows[:1], ", design: X.xmat.1D", header=header)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (", design: 'own-{session}.csv'", "subject 01, task x, run 1 has no session"),
        (", design: 'own-{runn}.csv'", r"(?s)'runn' is not a label of a run.*did you mean 'run'\?"),
        (", design: 'x-{run}.csv'", "there is no file x-1.csv, the design of subject 01, task x, run 1"),
        (", design: ''", "study.design: '' should be non-empty"),
        (", design: 3", "study.design: 3 is not of type"),
        (
            ", design: 'own-{run}.csv'|confounds: {columns: [rot_x]}",
            r"confounds\.columns: adds regressors to a design",
        ),
        (", design: 'own-{run}.csv'|confounds: {motion: 6}", r"confounds\.motion: adds"),
        (
            ", design: 'own-{run}.csv'|confounds: {censor: {fd_threshold: 0.5}}",
            r"confounds\.censor\.fd_threshold: adds",
        ),
        (", design: 'own-{run}.csv', conditions: {a: [b]}", r"study\.conditions: adds"),
        (", design: 'own-{run}.csv#2'", "holds 1 session, and session 2 is asked for"),
    ],
)
def test_what_the_plan_cannot_do_stops_before_any_job(folder, more, message):
    """Patterns without a file, and keys that would add to designs that are taken as they are."""
    with pytest.raises(InputError, match=message):
        runs_of([row[:4] for row in BOTH], more, header="subject\ttask\trun\tbold")


def test_run_of_a_design_that_is_not_there_is_told_by_row(folder):
    """As other files of the run table."""
    with pytest.raises(InputError, match=r"runs\.tsv, row 3: there is no file .*own-3\.csv"):
        runs_of([BOTH[0], (*BOTH[1][:4], "own-3.csv")])


def test_designs_made_and_given_stand_beside_each_other(folder):
    """What the config adds is added to the run that has events; the other one's is as it is."""
    table_writer.write_table(folder / "e.tsv", event_table.EVENT_COLUMNS, [(4.0, 1.0, "faces")])
    table_writer.write_table(folder / "c.tsv", ["rot_x"], [[float(k % 5)] for k in range(N)])
    rows = [(*BOTH[0], "no-such-events.tsv", "c.tsv"), (*BOTH[1][:4], "n/a", "e.tsv", "c.tsv")]
    header = "subject\ttask\trun\tbold\tdesign\tevents\tconfounds"
    config, runs = runs_of(rows, "|confounds: {columns: [rot_x]}", header=header)
    assert checks.regressors_of(config, runs[0]) == ["faces", "constant"]
    assert "rot_x" in checks.regressors_of(config, runs[1])
    assert [model.confounds_of(config, run) for run in runs] == [[], ["c.tsv"]]


def test_bids_run_without_its_design_is_left_out(tmp_path, monkeypatch):
    """With the reason; events tables are not needed."""
    monkeypatch.chdir(tmp_path)
    for subject in ("01", "02"):
        place = tmp_path / f"raw/sub-{subject}/func"
        place.mkdir(parents=True)
        (place / f"sub-{subject}_task-a_bold.nii.gz").write_bytes(b"")
        (place / f"sub-{subject}_task-a_events.tsv").symlink_to("nowhere")
    pd.DataFrame({"faces": np.arange(N)}).to_csv("own-01.csv")
    text = "study: {source: bids, bids: {path: raw, task: a}, design: 'own-{subject}.csv'}\n"
    config = checked(text + "contrasts: {a: faces}")
    runs, left_out = study.run_table(config, "data")
    assert [(run.subject, run.design) for run in runs] == [("01", "own-01.csv")]
    assert [(one.subject, one.reason) for one in left_out] == [
        ("02", "has no design matrix: there is no file that study.design names")
    ]
    checks.check_contrasts(config, runs)


def test_session_behind_a_file_is_no_part_of_a_name_that_is_there(tmp_path):
    """SPM.mat#2 is session 2, unless a file of this very name lies there."""
    assert located("a/SPM.mat#2") == ("a/SPM.mat", 2)
    assert located("a/SPM.mat") == ("a/SPM.mat", 0)
    (tmp_path / "own#2").write_text("")
    assert located(str(tmp_path / "own#2")) == (str(tmp_path / "own#2"), 0)


def test_methods_say_of_a_given_design_only_what_is_known():
    """No word of responses, drift or confounds that the config would have added."""
    config = checked("study: {source: table, table: runs.tsv}\ncontrasts: {a: faces}")
    run = run_facts.Run(N, SECONDS, 0, 0, 2, given="table", given_notes=["a constant is added"], n_columns=7)
    text = " ".join(one.text for one in methods.sentences(Model.of(config).content(), [run, run], {}))
    assert "The design matrix of each run was given (table; 7 regressors) and used unchanged (a con" in text
    for word in ("haemodynamic", "convolved", "drift", "cosine", "onfounds", "No events"):
        assert word not in text
    made = run_facts.Run(N, SECONDS, 0, 0, 0)
    text = " ".join(one.text for one in methods.sentences(Model.of(config).content(), [run, made], {}))
    assert "of 1 of 2 runs was given" in text
    assert "convolved" in text


def test_page_takes_the_form_of_a_design_and_its_notes_from_the_sidecar(tmp_path, made, columns):
    """The facts of a run that the methods text is made of."""
    columns.drop(columns="constant").to_csv(tmp_path / "own.csv")
    _, sidecar = made(tmp_path / "own.csv")
    facts = run_facts.Run.of({}, sidecar, {"NumberOfVolumes": N, "Columns": [*columns]})
    assert (facts.given, facts.n_columns, len(facts.given_notes)) == ("table", 4, 2)


def test_quality_of_a_design_whose_purposes_are_not_known(tmp_path):
    """The mean comes out of the noise though no column has it; what contrasts name is of interest."""
    run = make_run(tmp_path / "run")
    known, judged = run.measure(), run.judge()
    content = json.loads(run.file("design.json").read_text())
    for column in content["Columns"]:
        column["Role"] = "drift" if column["Role"] == "drift" else "given"
    run.edit("design.json", **content)
    found, again = run.measure(), run.judge()
    assert found["MedianTsnr"] == pytest.approx(known["MedianTsnr"], rel=1e-6)
    rows = [table.set_index("measure").loc["correlation"].to_dict() for table in (judged, again)]
    assert rows[0] == rows[1]
