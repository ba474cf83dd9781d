"""Names of the user's that something on the way could take for math, markup, a format or a pattern."""

import shutil
from html import escape

import pytest
import yaml
from harness import raw_copy
from small_study import make
from studies import ALL_OUTPUTS, Study, merged

pytestmark = pytest.mark.slow

HOSTILE = ("win_$5_$x^{", "<small>{x} <results>")
"""Trial types; the second of them would be replaced by Snakemake, too."""


@pytest.fixture(scope="module")
def study(tmp_path_factory, small_study):
    """The small study as a table, with two hostile conditions."""
    folder = tmp_path_factory.mktemp("hostile")
    copy = raw_copy(small_study, folder / "raw", {})
    lines = ["subject\ttask\trun\tbold\tevents\trepetition_time"]
    for run in ("1", "2"):
        made = small_study.result(f"run-{run}_events.tsv").read_text()
        for plain, hostile in zip(("faces", "scrambled"), HOSTILE, strict=True):
            made = made.replace(f"\t{plain}", f"\t{hostile}")
        (folder / f"events{run}.tsv").write_text(made)
        volumes = f"raw/data/simulated/sub001/fMRI/Session{run}/*.img"
        lines.append(f"01\tfaces\t{run}\t{volumes}\tevents{run}.tsv\t2.0")
    (folder / "runs.tsv").write_text("\n".join(lines) + "\n")
    config = {
        "study": {"source": "table", "table": "runs.tsv"},
        "contrasts": {"difference": f"'{HOSTILE[0]}' - '{HOSTILE[1]}'"},
    }
    shutil.rmtree(copy.folder / ".snakemake", ignore_errors=True)
    made = Study(folder, config)
    made.snakemake()
    return made


def test_hostile_trial_types_go_through_to_every_figure_and_page(study, small_study):
    """Nothing is lost, names stand on the page as they are, and z is that of plain names."""
    page = (study.results / "report.html").read_text()
    for name in HOSTILE:
        assert escape(name, quote=False) in page.replace("&#34;", '"').replace("&#39;", "'")
    figures = [path.name for path in (study.results / "figures").glob("*.png")]
    assert len([name for name in figures if "run-1" in name]) == 8
    ours = study.z_map("difference").get_fdata()
    assert (ours == small_study.z_map("facesMinusScrambled").get_fdata()).all()


def test_hostile_names_in_a_failure_leave_the_table_of_runs_whole(study):
    """A message that quotes them is a cell like others."""
    events = study.folder / "events2.tsv"
    before = events.read_text()
    try:
        events.write_text(before.replace("\n", "\nsoon\t1\t<small>{x}\n", 1))
        done = study.snakemake("--keep-going", check=False)
    finally:
        events.write_text(before)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    rows = (study.folder / "results/runs.tsv").read_text()
    assert "'soon'" in rows


def test_braces_in_what_the_config_and_derivatives_say_are_text(tmp_path):
    """Columns of confounds, programs of a derivative: lists of which Snakemake would read as wildcards."""
    folder = make(tmp_path / "study")
    for run in (1, 2):
        table = folder / f"confounds{run}.tsv"
        table.write_text(table.read_text().replace("rot_y", "{y} <results> %s"))
    changes = {"confounds": {"columns": ["{y}*"]}, "outputs": ALL_OUTPUTS}
    made = Study(folder, merged(yaml.safe_load((folder / "config.yaml").read_text()), changes))
    assert "make_design_matrix" in made.planned()
