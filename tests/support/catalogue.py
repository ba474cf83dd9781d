"""Wrong inputs, and odd ones that are right: what each changes in the small study, and what is said of it."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import scipy.io
import yaml
from small_study import AFFINE, N_SCANS, SHAPE


@dataclass(frozen=True)
class Refused:
    """A study that stops: what is wrong, the edit, where (file and row) and what the message says.

    `refuses` is what the system denies meanwhile: the number of its error, by the beginning of the file name.
    """

    name: str
    edit: Callable[[Path], None]
    at: str
    says: str
    refuses: tuple[int, str] | None = None


@dataclass(frozen=True)
class Accepted:
    """A study that is right in spite of its looks: what the log says of it, and its maps.

    `maps` is same (bytes of the untouched study), near (z within 0.001), elsewhere (but for four
    voxels), run-1 (the difference is that of the first run alone), or other (finite maps of another model).
    """

    name: str
    edit: Callable[[Path], None]
    says: str
    maps: str = "same"


def configured(folder, *path, value):
    """Change one key of the config."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    inner = config
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
    inner[path[-1]] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def config(path, value):
    def edit(folder):
        configured(folder, *path.split("."), value=value)

    return edit


def text(name, old, new, encoding="utf-8"):
    """Replace a part of a text file, which must be there."""

    def edit(folder):
        before = (folder / name).read_text()
        assert old in before
        (folder / name).write_bytes(before.replace(old, new, 1).encode(encoding))

    return edit


def whole(name, content):
    def edit(folder):
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return edit


def events(change, run=1):
    """Change the rows of an events table, a list of [onset, duration, trial_type]."""

    def edit(folder):
        path = folder / f"events{run}.tsv"
        header, *rows = [line.split("\t") for line in path.read_text().splitlines()]
        path.write_text("\n".join("\t".join(row) for row in [header, *change(rows)]) + "\n")

    return edit


def onsets(change, run=1):
    return events(lambda rows: [[f"{change(float(onset)):g}", *rest] for onset, *rest in rows], run)


def cell(row, column, value, run=1):
    """Set a value of an events table; rows as an editor counts them."""

    def change(rows):
        rows[row - 2][column] = value
        return rows

    return events(change, run)


ONSET, DURATION, TRIAL_TYPE = range(3)


def renamed(old, new, run=1):
    return events(lambda rows: [[*row[:2], new if row[2] == old else row[2]] for row in rows], run)


def both(*edits):
    def edit(folder):
        for one in edits:
            one(folder)

    return edit


def volume(scan, change, affine=None, **header):
    """Write one volume of run 1 anew: `change` of its data, with another affine or header."""

    def edit(folder):
        path = folder / f"run-1/f{scan:03d}.img"
        image = nib.load(path, mmap=False)
        new = nib.Nifti1Pair(
            np.asarray(change(image.get_fdata()), np.float32), image.affine if affine is None else affine
        )
        new.to_filename(path)

    return edit


def series(change, affine=AFFINE, seconds=2.0, unit="sec"):
    """Write the 4D image of run 2 anew."""

    def edit(folder):
        path = folder / "run-2.nii"
        data = np.asarray(change(nib.load(path, mmap=False).get_fdata()), np.float32)
        image = nib.Nifti1Image(data, affine)
        image.header.set_xyzt_units("mm", unit)
        if data.ndim == 4:
            image.header.set_zooms((4, 4, 4, seconds))
        image.to_filename(path)

    return edit


def same(data):
    return data


def put(value, where):
    def change(data):
        data[where] = value
        return data

    return change


def raw_affine(scan, rows):
    """Write an affine into a header as it is, bypassing what would correct it."""

    def edit(folder):
        path = folder / f"run-1/f{scan:03d}.hdr"
        header = bytearray(path.read_bytes())
        header[252:256] = np.array([0, 1], "<i2").tobytes()
        header[280:328] = np.asarray(rows, "<f4")[:3].tobytes()
        path.write_bytes(header)

    return edit


def cut(name, n_bytes):
    def edit(folder):
        os.truncate(folder / name, n_bytes)

    return edit


def removed(*names):
    def edit(folder):
        for name in names:
            (folder / name).unlink()

    return edit


def shift(mm):
    moved = AFFINE.copy()
    moved[0, 3] += mm
    return moved


def own_mask(data, affine=AFFINE):
    def edit(folder):
        nib.Nifti1Image(np.asarray(data, np.uint8), affine).to_filename(folder / "mask.nii")

    return edit


def changed_mask(change):
    """Write the mask anew, as single-precision floats."""

    def edit(folder):
        head = nib.load(folder / "mask.nii", mmap=False).get_fdata()
        nib.Nifti1Image(np.asarray(change(head), np.float32), AFFINE).to_filename(folder / "mask.nii")

    return edit


def typed(dtype):
    """Write run 2 as numbers of another kind."""

    def edit(folder):
        image = nib.load(folder / "run-2.nii", mmap=False)
        other = nib.Nifti1Image(np.zeros(image.shape, dtype), AFFINE)
        other.header.set_zooms(image.header.get_zooms())
        other.to_filename(folder / "run-2.nii")

    return edit


def in_header(name, place, value):
    """Write a value into a header, bypassing what would correct it."""

    def edit(folder):
        content = bytearray((folder / name).read_bytes())
        content[place : place + value.nbytes] = value.tobytes()
        (folder / name).write_bytes(content)

    return edit


def spm_mat(n, shift=0.0):
    """Put SPM's affines beside run 2, n of them, as in its header but for a shift of the second half."""

    def edit(folder):
        from_one = np.eye(4)
        from_one[:3, 3] = -1
        affines = [AFFINE @ from_one for _ in range(n)]
        for affine in affines[n // 2 :]:
            affine[0, 3] += shift
        scipy.io.savemat(folder / "run-2.mat", {"mat": np.stack(affines, axis=-1)})

    return edit


def background(data):
    """NaN outside of the head, as SPM writes it."""
    data[data.mean(axis=-1) < 400] = np.nan
    return data


def finer_mask(folder):
    """The same head on voxels of half the size."""
    data = nib.load(folder / "mask.nii", mmap=False).get_fdata()
    affine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    affine[:3, 3] = AFFINE[:3, 3] + AFFINE[:3, :3] @ [-0.25, -0.25, -0.25]
    own_mask(data.repeat(2, 0).repeat(2, 1).repeat(2, 2), affine)(folder)


def moved_table(name):
    """Put the study's data into a folder with a name."""

    def edit(folder):
        inner = folder / name
        inner.mkdir()
        for path in list(folder.iterdir()):
            if path.name in ("runs.tsv", "run-1", "run-2.nii") or path.name.startswith(
                ("events", "confounds")
            ):
                path.rename(inner / path.name)
        configured(folder, "study", "table", value=f"{name}/runs.tsv")

    return edit


def run_named(label):
    return text("runs.tsv", "01\tfaces\t1", label)


def given(change=lambda own: own, name="own.csv", **options):
    """Give run 2 a design of its own, as pandas writes it, in place of its events."""

    def edit(folder):
        times = 2.0 * np.arange(N_SCANS)
        own = pd.DataFrame({"faces": np.sin(times / 7), "scrambled": np.cos(times / 5)}, index=times)
        change(own.assign(constant=1.0)).to_csv(folder / name, **options)
        asked_for(name)(folder)

    return edit


def asked_for(name):
    """Name a design of run 2 in the run table."""

    def edit(folder):
        header, first, second = (folder / "runs.tsv").read_text().splitlines()
        (folder / "runs.tsv").write_text(f"{header}\tdesign\n{first}\tn/a\n{second}\t{name}\n")

    return edit


def given_text(content, name="own.csv"):
    return both(whole(name, content), asked_for(name))


def designs_and_confounds(folder):
    """Every run has a design of its own, and the config asks for more."""
    for run in (1, 2):
        (folder / f"own-{run}.csv").write_text("faces,scrambled\n" + "1,2\n" * N_SCANS)
    configured(folder, "study", "design", value="own-{run}.csv")
    CONFOUNDS(folder)


FSL = "/NumWaves\t1\n/NumPoints\t30\n\n/Matrix\n" + "1.0e+00\t\n" * 29
AFNI = '# <matrix\n# ColumnLabels = "faces#0"\n# NRowFull = "30"\n# >\n' + " 1\n" * 29
CONFOUNDS = config("confounds.columns", ["rot_x", "rot_y"])
FLIPPED = AFFINE @ np.diag([-1.0, 1, 1, 1])
COLOURS = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
COARSE = AFFINE @ np.diag([1.5, 1, 1, 1])

EVENTS_REFUSED = [
    Refused(
        "onsets in milliseconds",
        onsets(lambda t: 1000 * t),
        "events1.tsv",
        "begins after the end of the run (60 s)",
    ),
    Refused(
        "onsets in milliseconds, the first at 0",
        onsets(lambda t: 1000 * (t - 2.5)),
        "events1.tsv",
        "onsets look like milliseconds",
    ),
    Refused(
        "events of another run: all begin after the end",
        onsets(lambda t: t + 60),
        "events1.tsv",
        "every event begins after the end of the run (60 s)",
    ),
    Refused("negative duration", cell(4, DURATION, "-1"), "events1.tsv, row 4", "duration is -1"),
    Refused("onset infinite", cell(3, ONSET, "inf"), "events1.tsv, row 3", "onset is 'inf'"),
    Refused("decimal commas", cell(2, ONSET, "2,5"), "events1.tsv, row 2", "with a point as decimal mark"),
    Refused(
        "no column trial_type",
        text("events1.tsv", "trial_type", "condition"),
        "events1.tsv",
        "lacks the column trial_type",
    ),
    Refused(
        "a row twice",
        events(lambda rows: [*rows[:3], rows[1], *rows[3:]]),
        "events1.tsv, row 5",
        "repeats row 3",
    ),
    Refused(
        "trial types that differ in case only",
        cell(4, TRIAL_TYPE, "Faces"),
        "events1.tsv, row 4",
        "'Faces' differs from 'faces'",
    ),
    Refused(
        "trial types that differ in blanks only",
        both(
            renamed("faces", "left hand"),
            cell(4, TRIAL_TYPE, "left  hand"),
            config("contrasts", {"a": "'left hand'"}),
        ),
        "events1.tsv, row 4",
        "'left  hand' differs from 'left hand'",
    ),
    Refused(
        "trial types that differ in case between runs",
        renamed("faces", "Faces", run=2),
        "events2.tsv, row 2",
        "'Faces' differs from 'faces' (events1.tsv, row 2)",
    ),
    Refused(
        "a trial type named constant",
        renamed("scrambled", "constant"),
        "events1.tsv, row 3",
        "'constant' is a name that the model uses",
    ),
    Refused(
        "a trial type named drift_1",
        renamed("scrambled", "drift_1"),
        "events1.tsv, row 3",
        "'drift_1' is a name that the model uses",
    ),
    Refused(
        "a trial type with the name of another's derivative",
        both(
            renamed("scrambled", "faces_derivative"),
            config("design.hrf_model", "spm + derivative"),
            config("contrasts", {"a": "faces"}),
        ),
        "design sub-01_task-faces_run-1_design.tsv",
        "two regressors have the name 'faces_derivative'",
    ),
    Refused("empty events file", whole("events1.tsv", ""), "events1.tsv", "it has: nothing"),
    Refused(
        "events files with a header only, of all runs",
        both(*(events(lambda rows: [], run) for run in (1, 2))),
        "events1.tsv",
        "has a header but no events",
    ),
    Refused(
        "commas instead of tabs",
        lambda folder: whole("events1.tsv", (folder / "events1.tsv").read_text().replace("\t", ","))(folder),
        "events1.tsv",
        "check that tabs, not commas, separate columns",
    ),
    Refused(
        "a row with too few values",
        events(lambda rows: [rows[0], rows[1][:2], *rows[2:]]),
        "events1.tsv, row 3",
        "has 2 values where the header has 3",
    ),
    Refused(
        "Latin-1",
        both(
            renamed("scrambled", "gr\u00fcn"),
            lambda folder: whole("events1.tsv", (folder / "events1.tsv").read_text().encode("latin-1"))(
                folder
            ),
        ),
        "events1.tsv, row 3",
        "is not UTF-8 text",
    ),
    Refused(
        "UTF-16, as Excel saves Unicode text",
        lambda folder: whole("events1.tsv", (folder / "events1.tsv").read_text().encode("utf-16"))(folder),
        "events1.tsv, row 1",
        "is not UTF-8 text",
    ),
    Refused(
        "conditions all of whose events come after the end",
        both(
            *(
                events(lambda rows: [[f"{float(t) + 60 * (n == 'faces'):g}", d, n] for t, d, n in rows], run)
                for run in (1, 2)
            )
        ),
        "config key contrasts.faces",
        "no run can estimate faces",
    ),
    Refused(
        "identical regressors",
        both(
            *(
                events(lambda rows: [*rows, *([t, d, "again"] for t, d, n in rows if n == "faces")], run)
                for run in (1, 2)
            )
        ),
        "config key contrasts.faces",
        "(follows from",
    ),
]

IMAGES_REFUSED = [
    Refused(
        "one volume NaN",
        volume(7, lambda data: data * np.nan),
        "run-1/f007.img",
        "volume 7 has 990 NaN voxels that have values in earlier volumes",
    ),
    Refused(
        "one volume infinite",
        volume(7, lambda data: data + np.inf),
        "run-1/f007.img",
        "volume 7 has 990 infinite voxels",
    ),
    Refused(
        "some voxels NaN in the first volume alone",
        series(put(np.nan, (slice(3, 5), 4, 4, 0))),
        "run-2.nii",
        "volume 1 has 2 NaN voxels that have values in volume 2",
    ),
    Refused(
        "a whole run of NaN",
        series(lambda data: data * np.nan),
        "run-2.nii",
        "volume 1 is NaN in every voxel",
    ),
    Refused(
        "some voxels NaN in one volume of a 4D image",
        series(put(np.nan, (slice(3, 5), 4, 4, 11))),
        "run-2.nii",
        "volume 12 has 2 NaN voxels that have values in earlier volumes",
    ),
    Refused(
        "one volume all zero",
        volume(7, lambda data: 0 * data),
        "run-1/f007.img",
        "volume 7 has the value 0 in every voxel",
    ),
    Refused(
        "a whole run of zeros", series(lambda data: 0 * data), "run-2.nii", "has the value 0 in every voxel"
    ),
    Refused(
        "a signal that never changes",
        series(lambda data: data[..., :1].repeat(N_SCANS, -1)),
        "results/sub-01/sub-01_task-faces_run-2_desc-resampled_bold.nii",
        "no voxel of the mask changes over time",
    ),
    Refused("a truncated .img", cut("run-1/f005.img", 1000), "run-1/f005.img", "its data cannot be read"),
    Refused("an empty .img", cut("run-1/f005.img", 0), "run-1/f005.img", "cannot be read"),
    Refused("a truncated 4D image", cut("run-2.nii", 20_000), "run-2.nii", "its data cannot be read"),
    Refused(
        "a .hdr is missing", removed("run-1/f009.hdr"), "runs.tsv, row 2", "there is no file run-1/f009.hdr"
    ),
    Refused(
        "a volume is missing in a numbered series",
        removed("run-1/f009.img", "run-1/f009.hdr"),
        "runs.tsv, row 2",
        "between f008.img and f010.img",
    ),
    Refused(
        "text in place of an image", whole("run-2.nii", "no image " * 100), "run-2.nii", "cannot be read"
    ),
    Refused(
        "one volume of another shape",
        volume(5, lambda data: data[:-1]),
        "run-1/f005.img",
        "has the shape (9, 11, 9)",
    ),
    Refused(
        "one volume with other voxel sizes",
        volume(5, same, COARSE),
        "run-1/f005.img",
        "has voxels of 6 x 4 x 4 mm",
    ),
    Refused("one volume with flipped handedness", volume(5, same, FLIPPED), "run-1/f005.img", "is mirrored"),
    Refused(
        "singular affine",
        raw_affine(5, [[4, 0, 0, 0], [8, 0, 0, 0], [0, 0, 4, 0]]),
        "run-1/f005.img",
        "its affine cannot be inverted",
    ),
    Refused(
        "affine of zeros", raw_affine(5, np.zeros((3, 4))), "run-1/f005.img", "its affine cannot be inverted"
    ),
    Refused(
        "affine with NaN",
        raw_affine(5, np.full((3, 4), np.nan)),
        "run-1/f005.img",
        "its affine cannot be inverted",
    ),
    Refused(
        "affine of another subject: no overlap",
        both(series(same, shift(500)), config("study.unlike_runs", "combine")),
        "run-2.nii",
        "does not overlap",
    ),
    Refused(
        "runs of two grids, of which the config says that they are one",
        both(series(same, shift(2)), config("resample.strategy", "none")),
        "run-2.nii",
        "volume 1 is on another grid than",
    ),
    Refused(
        "4D image in a list of 3D images",
        lambda folder: nib.Nifti1Pair(np.ones((*SHAPE, 3), np.float32), AFFINE).to_filename(
            folder / "run-1/f003.img"
        ),
        "run-1/f003.img",
        "holds 3 volumes",
    ),
    Refused(
        "3D image where a run is expected", series(lambda data: data[..., 0]), "run-2.nii", "holds one volume"
    ),
    Refused(
        "image of five dimensions",
        series(lambda data: data.reshape(*SHAPE, 2, N_SCANS // 2)),
        "run-2.nii",
        "has 5 dimensions",
    ),
    Refused(
        "run scaled to a mean of 0.02",
        series(lambda data: data / 40000),
        "results/sub-01/sub-01_task-faces_run-2_desc-resampled_bold.nii",
        "the mean over time is below 1 or below the standard deviation over time",
    ),
    Refused(
        "run without its mean over time",
        series(lambda data: data - data.mean(axis=-1, keepdims=True)),
        "results/sub-01/sub-01_task-faces_run-2_desc-resampled_bold.nii",
        "the mean over time is below 1 or below the standard deviation over time",
    ),
    Refused("complex image", typed(np.complex64), "run-2.nii", "holds complex numbers"),
    Refused("image of colours", typed(COLOURS), "run-2.nii", "holds colours or other records"),
    Refused(
        "image whose data begin in its header",
        in_header("run-2.nii", 108, np.array([0], "<f4")),
        "run-2.nii",
        "its data would be read from byte 0, which lies in its header",
    ),
    Refused(
        "affine that leads out of any scanner",
        series(same, shift(1e30)),
        "run-2.nii",
        "its affine puts voxels up to 1e+30 mm from the origin",
    ),
    Refused(
        "one run whose affine is in metres",
        series(same, AFFINE @ np.diag([1e-3, 1e-3, 1e-3, 1])),
        "run-2.nii",
        "has voxels of 0.004 x 0.004 x 0.004 mm, and the first volume of the subject's first run",
    ),
    Refused(
        "SPM's .mat of another number of volumes",
        spm_mat(N_SCANS - 1),
        "run-2.mat",
        "holds the affines of 29 volumes, and run-2.nii has 30",
    ),
    Refused(
        "a .mat beside the image that cannot be read",
        both(spm_mat(N_SCANS), cut("run-2.mat", 300)),
        "run-2.mat",
        "cannot be read",
    ),
    Refused(
        "header and config differ in repetition time",
        series(same, seconds=2.5),
        "run-2.nii",
        "the header says a repetition time of 2.5 s, but the study 2 s",
    ),
    Refused(
        "repetition time in ms in the config",
        config("study.repetition_time", 2000),
        "config",
        "study.repetition_time: 2000 is not valid",
    ),
    Refused(
        "repetition time in ms in the header",
        both(
            series(same, seconds=2000),
            text("runs.tsv", "confounds\n", "confounds\trepetition_time\n"),
            text("runs.tsv", "confounds1.tsv\n", "confounds1.tsv\t2\n"),
            text("runs.tsv", "confounds2.tsv\n", "confounds2.tsv\tn/a\n"),
            config("study.repetition_time", None),
        ),
        "run-2.nii",
        "says a repetition time of 2000 s",
    ),
    Refused(
        "repetition time of zero in the config",
        config("study.repetition_time", 0),
        "config",
        "study.repetition_time: 0 is not valid",
    ),
    Refused(
        "repetition time that is to decide, and is not given",
        both(config("study.repetition_time", None), config("study.repetition_time_decides", True)),
        "config key study.repetition_time_decides",
        "is true, but the study gives no repetition time",
    ),
    Refused(
        "slice_time_ref in seconds",
        config("design.slice_time_ref", 1.5),
        "config",
        "design.slice_time_ref: 1.5 is not valid",
    ),
    Refused(
        "repetition time of zero in the header, and none elsewhere",
        both(
            series(same, seconds=0),
            removed("runs.tsv"),
            whole("runs.tsv", "subject\ttask\tbold\tevents\n01\tfaces\trun-2.nii\tevents2.tsv\n"),
            config("study.repetition_time", None),
        ),
        "run-2.nii",
        "neither the header nor the study gives the repetition time",
    ),
    Refused(
        "a slab as one run and a whole brain as another",
        series(lambda data: data[:, :, 3:]),
        "config key study.unlike_runs",
        "is ask, and runs that would be combined differ",
    ),
    Refused(
        "runs of other repetition times",
        both(
            series(same, seconds=1.0),
            text("runs.tsv", "confounds\n", "confounds\trepetition_time\n"),
            text("runs.tsv", "confounds1.tsv\n", "confounds1.tsv\t2\n"),
            text("runs.tsv", "confounds2.tsv\n", "confounds2.tsv\t1\n"),
        ),
        "config key study.unlike_runs",
        "repetition time 1 s",
    ),
]

MODEL_REFUSED = [
    Refused(
        "too few scans for the regressors",
        config("design.high_pass", 0.24),
        "results/node-run/sub-01/sub-01_task-faces_run-1_design.tsv",
        "more scans than regressors",
    ),
    Refused(
        "confounds of the wrong length",
        both(
            CONFOUNDS,
            lambda folder: whole(
                "confounds2.tsv", (folder / "confounds1.tsv").read_text().rsplit("\n", 2)[0] + "\n"
            )(folder),
        ),
        "confounds2.tsv",
        "has 29 rows for a run of 30 scans",
    ),
    Refused(
        "confounds with n/a in the first row",
        both(CONFOUNDS, whole("confounds2.tsv", "rot_x\trot_y\n" + "n/a\t0.1\n" + "0.2\t0.3\n" * 29)),
        "confounds2.tsv, row 2",
        "rot_x is 'n/a'",
    ),
    Refused(
        "confounds with n/a further down",
        both(CONFOUNDS, whole("confounds2.tsv", "rot_x\trot_y\n" + "0.2\t0.3\n" * 29 + "n/a\t0.1\n")),
        "confounds2.tsv, row 31",
        "rot_x is 'n/a'",
    ),
    Refused(
        "confounds without the column",
        config("confounds.columns", ["rot_z"]),
        "confounds1.tsv",
        "did you mean 'rot_",
    ),
    Refused("empty mask", own_mask(np.zeros(SHAPE)), "mask.nii", "gives an empty mask"),
    Refused("mask of another head", own_mask(np.ones(SHAPE), shift(500)), "mask.nii", "does not overlap"),
    Refused(
        "a segmentation in place of a mask",
        own_mask(1 + np.indices(SHAPE)[1] % 3),
        "mask.nii",
        "holds 3 values from 1 to 3 (1, 2, 3), which are neither a mask nor probabilities",
    ),
    Refused(
        "a mask that rings after interpolation",
        changed_mask(lambda head: head + 1e-3 * np.sin(np.arange(9))),
        "mask.nii",
        "which are neither a mask nor probabilities",
    ),
    Refused(
        "infinite values in a mask",
        changed_mask(lambda head: np.where(head > 0, np.inf, 0)),
        "mask.nii",
        "infinite voxels",
    ),
    Refused("mask of several volumes", own_mask(np.ones((*SHAPE, 2))), "mask.nii", "holds 2 volumes"),
    Refused(
        "contrast of an unknown name",
        config("contrasts", {"a": "face - scrambled"}),
        "config key contrasts.a",
        "did you mean 'faces'?",
    ),
    Refused(
        "contrast of zeros",
        config("contrasts", {"a": "0 * faces"}),
        "config key contrasts.a",
        "gives every regressor the weight 0",
    ),
    Refused(
        "contrast that cancels itself",
        config("contrasts", {"a": "faces - faces"}),
        "config key contrasts.a",
        "gives every regressor the weight 0",
    ),
    Refused(
        "contrast that is code",
        config("contrasts", {"a": "__import__('os').system('touch hacked')"}),
        "config key contrasts.a",
        "is not a weighted sum of regressors",
    ),
    Refused(
        "F contrast with a row twice",
        config("contrasts", {"a": ["faces", "2 * faces"]}),
        "config key contrasts.a",
        "one of its rows is a linear combination of the others",
    ),
    Refused(
        "contrast label with ../", config("contrasts", {"../a": "faces"}), "config", "'../a' is not valid"
    ),
    Refused(
        "contrast label that is code of the shell",
        config("contrasts", {"$(touch hacked)": "faces"}),
        "config",
        "labels are made of letters and digits",
    ),
    Refused(
        "contrast label with a line break", config("contrasts", {"a\n": "faces"}), "config", "is not valid"
    ),
    Refused(
        "contrast labels that differ in case only",
        config("contrasts", {"a": "faces", "A": "scrambled"}),
        "config key contrasts.A",
        "differs from 'a' in case only",
    ),
    Refused(
        "a key twice in the config",
        lambda folder: whole("config.yaml", (folder / "config.yaml").read_text() + "mask: epi\n")(folder),
        "config.yaml, row 13",
        "has the key 'mask' twice, first in row",
    ),
    Refused("unknown key", config("desing", {}), "config", "did you mean 'design'?"),
    Refused(
        "a key by its former name",
        config("design.confounds", ["rot_x"]),
        "config",
        "design.confounds is now confounds.columns",
    ),
    Refused(
        "single trials with noise that the fit does not learn",
        config("design.single_trials", {"model": "lss", "noise_model": "mixture"}),
        "config",
        "mixture is the noise that the fit of the run finds, but glm.noise_model is ols",
    ),
]

DESIGNS_REFUSED = [
    Refused(
        "a design of another run", given(lambda own: own[:-1]), "own.csv", "has 29 rows for a run of 30 sc"
    ),
    Refused(
        "a design with two columns of one name",
        given(lambda own: own.rename(columns={"scrambled": "faces"})),
        "own.csv",
        "two regressors have the name 'faces'",
    ),
    Refused(
        "a design with a column without a name",
        given(lambda own: own.rename(columns={"scrambled": ""})),
        "own.csv",
        "column 2 has no name",
    ),
    Refused(
        "a design with an empty cell",
        given(lambda own: own.assign(faces=own["faces"].where(own.index != 4))),
        "own.csv, row 4",
        "faces is ''",
    ),
    Refused(
        "a design with decimal commas",
        given(sep=";", decimal=","),
        "own.csv, row 2",
        "faces is '0,0'",
    ),
    Refused("a design that is empty", given_text(""), "own.csv", "is empty"),
    Refused(
        "a design whose rows are cut off",
        given_text("faces,scrambled\n" + "1,2\n" * 28 + "1,2\n1"),
        "own.csv, row 31",
        "has 1 values instead of 2",
    ),
    Refused(
        "a design of as many regressors as scans",
        given(lambda own: pd.DataFrame(np.eye(N_SCANS)).add_prefix("x")),
        "own.csv",
        "30 scans for 30 regressors of rank 30",
    ),
    Refused(
        "a column constant that changes",
        given(lambda own: own.assign(constant=own["faces"])),
        "own.csv",
        "its column 'constant' is not constant",
    ),
    Refused(
        "a contrast of a name that the designs do not have",
        both(given(), config("contrasts", {"a": "scrambeld"})),
        "config key contrasts.a",
        "did you mean 'scrambled'?",
    ),
    Refused(
        "a design that is not there", asked_for("own.csv"), "runs.tsv, row 3", "there is no file own.csv"
    ),
    Refused(
        "a pattern of designs with an unknown label",
        config("study.design", "own-{rum}.csv"),
        "config key study.design (own-{rum}.csv)",
        "'rum' is not a label of a run",
    ),
    Refused(
        "designs of their own, and confounds to add to them",
        designs_and_confounds,
        "config key confounds.columns",
        "every run has a ready-made design",
    ),
    Refused(
        "SPM.mat of MATLAB 7.3",
        given_text(b"MATLAB 7.3 MAT-file" + bytes(600), "SPM.mat"),
        "SPM.mat",
        "is of MATLAB 7.3 (HDF5)",
    ),
    Refused(
        "another .mat in place of SPM.mat",
        both(lambda folder: scipy.io.savemat(folder / "own.mat", {"names": 1}), asked_for("own.mat")),
        "own.mat",
        "holds no variable SPM",
    ),
    Refused(
        "FSL's design.mat, cut off",
        given_text(FSL, "design.mat"),
        "design.mat",
        "has 29 rows below /Matrix",
    ),
    Refused(
        "AFNI's X-matrix, rows taken out by hand",
        given_text(AFNI, "X.xmat.1D"),
        "X.xmat.1D",
        "has 29 rows, but its header lists 30 of 30 scans",
    ),
    Refused(
        "a session that the design does not have",
        both(given(), text("runs.tsv", "own.csv", "own.csv#2")),
        "own.csv",
        "session 2 is asked for",
    ),
]

ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 9)
)
"""Nine lines of YAML, each nine times the one before."""

LABELS_REFUSED = [
    Refused(
        "two rows with the same labels",
        text("runs.tsv", "01\tfaces\t2", "01\tfaces\t1"),
        "runs.tsv, row 3",
        "is already in row 2",
    ),
    Refused(
        "labels that differ in case only",
        both(
            text("runs.tsv", "01\tfaces\t1", "01\tfaces\ta"), text("runs.tsv", "01\tfaces\t2", "01\tfaces\tA")
        ),
        "runs.tsv, row 3",
        "differs from row 2 in case only",
    ),
    Refused("subject label with ../", run_named("../01\tfaces\t1"), "runs.tsv, row 2", "subject is '../01'"),
    Refused("task label with quotes", run_named("01\tfa'c\"es\t1"), "runs.tsv, row 2", "task is "),
    Refused(
        "run label that is code of the shell",
        run_named("01\tfaces\t$(touch hacked)"),
        "runs.tsv, row 2",
        "run is '$(touch hacked)'",
    ),
    Refused(
        "subject label with a line break",
        run_named("0\n1\tfaces\t1"),
        "runs.tsv, row 2",
        "has 1 values where the header has 6",
    ),
    Refused(
        "path with characters of wildcards",
        text("runs.tsv", "run-1/f*.img", "run-{1}/f*.img"),
        "runs.tsv, row 2",
        "no image matches run-{1}/f*.img",
    ),
    Refused(
        "control character in a path, which a terminal would obey",
        both(
            lambda folder: (folder / "events1.tsv").rename(folder / "events\x1b[2J.tsv"),
            text("runs.tsv", "events1.tsv", "events\x1b[2J.tsv"),
        ),
        "runs.tsv, row 2",
        r"the path events\x1b[2J.tsv has a control character in its name",
    ),
    Refused(
        "device in place of events",
        lambda folder: ((folder / "events1.tsv").unlink(), (folder / "events1.tsv").symlink_to("/dev/null")),
        "runs.tsv, row 2",
        "there is no file events1.tsv",
    ),
    Refused(
        "config whose alias holds itself",
        lambda folder: whole(
            "config.yaml", (folder / "config.yaml").read_text() + "quality: &own {dvars: *own}\n"
        )(folder),
        "config.yaml, row 13",
        "an alias refers to itself",
    ),
    Refused(
        "config whose aliases stand for millions of values",
        lambda folder: whole("config.yaml", (folder / "config.yaml").read_text() + ALIASES)(folder),
        "config.yaml",
        "its aliases expand to more than 100000 values",
    ),
    Refused(
        "contrast with a # outside of quotes",
        config("contrasts", {"a": "faces # - scrambled"}),
        "config key contrasts.a",
        "a # outside quotes",
    ),
    Refused(
        "a file that does not exist",
        text("runs.tsv", "events2.tsv", "event2.tsv"),
        "runs.tsv, row 3",
        "there is no file event2.tsv",
    ),
]

SYSTEM_REFUSED = [
    Refused(
        "events that may not be read",
        lambda folder: None,
        "events1.tsv",
        "the permission is missing",
        (errno.EACCES, "events1.tsv"),
    ),
    Refused(
        "image that may not be read",
        lambda folder: None,
        "run-2.nii",
        "Permission denied",
        (errno.EACCES, "run-2.nii"),
    ),
    Refused(
        "an empty folder in place of the events",
        both(removed("events1.tsv"), lambda folder: (folder / "events1.tsv").mkdir()),
        "events1.tsv",
        "holds no events file",
    ),
    Refused(
        "a file in place of the folder of results",
        whole("results", ""),
        "config key pathvars.results",
        "results is a file",
    ),
    Refused(
        "results that can only be read",
        lambda folder: None,
        "results/sub-01",
        "the disk is read-only",
        (errno.EROFS, "results"),
    ),
    Refused(
        "full disk", lambda folder: None, "a file of the results", "the disk is full", (errno.ENOSPC, "")
    ),
]

REFUSED = {
    "Events": EVENTS_REFUSED,
    "Images": IMAGES_REFUSED,
    "Confounds, masks and contrasts": MODEL_REFUSED,
    "Designs that are given": DESIGNS_REFUSED,
    "Labels and paths": LABELS_REFUSED,
    "The disk": SYSTEM_REFUSED,
}

ACCEPTED = [
    Accepted("a design with an index, as pandas writes it", given(), "is no regressor", "other"),
    Accepted(
        "a design without a constant",
        given(lambda own: own.drop(columns="constant")),
        "do not span a constant",
        "other",
    ),
    Accepted(
        "a design of which a column is another's double",
        given(lambda own: own.assign(again=2 * own["scrambled"])),
        "again (follows from scrambled)",
        "other",
    ),
    Accepted(
        "events with a byte order mark",
        lambda folder: whole("events1.tsv", "\ufeff" + (folder / "events1.tsv").read_text())(folder),
        "",
    ),
    Accepted(
        "events with Windows line ends (CRLF)",
        lambda folder: whole("events1.tsv", (folder / "events1.tsv").read_text().replace("\n", "\r\n"))(
            folder
        ),
        "",
    ),
    Accepted("blanks around a trial type", cell(4, TRIAL_TYPE, " faces "), ""),
    Accepted("onset n/a", cell(3, ONSET, "n/a"), "1 rows are not events of the model: onset n/a", "other"),
    Accepted("onset NaN", cell(3, ONSET, "NaN"), "1 rows are not events of the model: onset n/a", "other"),
    Accepted(
        "a cell of trial_type is empty",
        cell(5, TRIAL_TYPE, ""),
        "1 rows are not events of the model: trial_type n/a",
        "other",
    ),
    Accepted(
        "events in any order, with blank lines",
        events(lambda rows: [rows[2], [""], rows[0], rows[1], [""], *rows[3:]]),
        "",
    ),
    Accepted(
        "two events of one condition at one time that differ in another column",
        both(
            text("events1.tsv", "trial_type\n", "trial_type\tfile\n"),
            lambda folder: whole("events1.tsv", _with_file((folder / "events1.tsv").read_text()))(folder),
        ),
        "faces has two events at 20 s, whose responses add up",
        "other",
    ),
    Accepted(
        "some events after the end",
        events(lambda rows: [*rows, ["75", "1", "faces"]]),
        "onset 75 s is after the end of the run (60 s)",
    ),
    Accepted(
        "the only event of a condition in one run is at its last scan",
        events(
            lambda rows: [*(row for row in rows if row[2] != "scrambled"), ["58", "1", "scrambled"]], run=2
        ),
        "scrambled is empty, and not estimable in this run",
        "run-1",
    ),
    Accepted("onsets that may be in scans", onsets(lambda t: t // 2), "onsets may be in scans", "other"),
    Accepted("onsets before the first scan", events(lambda rows: [["-3", "1", "faces"], *rows]), "", "other"),
    Accepted("durations of 0", events(lambda rows: [[t, "0", n] for t, _, n in rows]), "", "other"),
    Accepted(
        "a condition without events in one run",
        events(lambda rows: [row for row in rows if row[2] != "scrambled"], run=2),
        "is left out of the contrast difference: no regressor 'scrambled'",
        "run-1",
    ),
    Accepted(
        "voxels that never change",
        series(put(700.0, (slice(4, 6), slice(4, 6), 4))),
        "4 of 312 voxels of the mask are missing in this run, of which 4 never change over time",
        "elsewhere",
    ),
    Accepted(
        "a mask of another grid",
        finer_mask,
        "mask.nii lies on another grid and is resampled by nearest neighbour",
    ),
    Accepted("runs of different grids", series(same, shift(2)), "", "other"),
    Accepted(
        "runs whose grids differ by less than a hundredth of a voxel",
        series(same, shift(0.03)),
        "the run is 0.0075 voxels off the reference grid, and is treated as on it",
    ),
    Accepted(
        "NaN outside of the head in every volume",
        series(background),
        "voxels are NaN in every volume: set to 0, as background",
    ),
    Accepted(
        "an image of five dimensions, one of length one", series(lambda data: data[..., np.newaxis, :]), ""
    ),
    Accepted("a mask of 0 and 255", changed_mask(lambda head: 255 * head), ""),
    Accepted("a mask of NaN and 1", changed_mask(lambda head: np.where(head > 0, 1, np.nan)), ""),
    Accepted(
        "a mask of probabilities",
        changed_mask(lambda head: 0.9 * head + 0.01 * (np.arange(9) % 3)),
        "taken as probabilities, thresholded at 0.5",
    ),
    Accepted(
        "SPM's .mat beside a 4D image",
        spm_mat(N_SCANS, shift=2.0),
        "the affines of the volumes are SPM's, from run-2.mat",
        "other",
    ),
    Accepted(
        "a .mat of conditions beside a 4D image",
        lambda folder: scipy.io.savemat(folder / "run-2.mat", {"names": ["faces"], "onsets": [4.0]}),
        "run-2.mat holds no affines of SPM",
    ),
    Accepted(
        "a folder with blanks, quotes and accents", moved_table('mein "Ordner" d\'\u00e9t\u00e9 \u8138'), ""
    ),
    Accepted("a folder with brackets and signs of the shell", moved_table("a[1] $(touch hacked); & b"), ""),
]


def _with_file(table):
    """Fill a fourth column, and repeat row 4 of the table with another value of it."""
    header, *rows = table.splitlines()
    rows = [f"{row}\t{number}.png" for number, row in enumerate(rows)]
    again = next(row for row in rows if row.startswith("20\t"))
    return "\n".join([header, *rows, again.rpartition("\t")[0] + "\tother.png"]) + "\n"
