"""The study through a real scheduler: as many jobs as expected, the same bytes, a killed job made good."""

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest
import slurm
import yaml
from studies import ROOT, Study

pytestmark = pytest.mark.slow

SLURM = ["--profile", "workflow/profiles/slurm", "--default-resources", "slurm_partition=test"]
"""As the profile tells a user to choose a partition."""
TEST_CLUSTER = [
    "--slurm-no-account",
    "--slurm-status-command=squeue",
    "--slurm-init-seconds-before-status-checks=1",
]
"""What only a cluster without accounts and in a hurry needs."""
GENERIC = ["--profile", "workflow/profiles/cluster-generic", "--seconds-between-status-checks=1"]


@pytest.fixture(scope="session")
def cluster():
    """Folder of a running one-node SLURM."""
    if reason := slurm.why_not():
        pytest.skip(reason)
    with slurm.cluster() as folder:
        yield folder


@pytest.fixture
def raw_study(tmp_path, small_study):
    """The small study with its raw volumes, not yet analysed, and without pages."""
    shutil.copytree(small_study.folder / "data", tmp_path / "study/data")
    shutil.copytree(small_study.folder / ".snakemake/metadata", tmp_path / "study/.snakemake/metadata")
    return Study(tmp_path / "study", small_study.config | {"outputs": ["maps", "figures"]})


def jobs(study):
    """Every job that was submitted from the study's folder, as the scheduler describes it."""
    lines = slurm.output_of("scontrol", "show", "jobs", "--oneliner").splitlines()
    shown = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines]
    return [job for job in shown if job.get("WorkDir") == str(study.folder)]


def digests(study):
    """Digest of every file that an analysis makes."""
    files = [path for path in (study.folder / "results").rglob("*") if path.is_file()]
    return {str(path.relative_to(study.folder)): sha256(path.read_bytes()).hexdigest() for path in files}


def different(one, other):
    """Names of files that only one study has, or that differ."""
    return sorted(dict(digests(one).items() ^ digests(other).items()))


def status(job_id):
    """What the profile cluster-generic says about a job."""
    profile = yaml.safe_load((ROOT / "workflow/profiles/cluster-generic/config.yaml").read_text())
    return slurm.output_of("sh", "-c", f"{profile['cluster-generic-status-cmd']} '{job_id}'").strip()


def test_study_is_two_jobs_and_has_the_bytes_of_a_local_run(cluster, small_study, tmp_path):
    """From nothing to all figures: the simulation is one job, all of the subject another with two cores."""
    study = Study(tmp_path / "study", small_study.config)
    study.snakemake(*SLURM, *TEST_CLUSTER)
    simulation, subject = jobs(study)
    for job in (simulation, subject):
        shown = ("JobId", "Comment", "JobState", "NumCPUs", "MinMemoryNode", "TimeLimit", "RunTime")
        print(*(f"{key}={job.get(key)}" for key in shown))
    assert simulation["Comment"].startswith("rule_simulate_dataset")
    assert subject["Comment"].startswith("rule_subject")
    assert (simulation["NumCPUs"], subject["NumCPUs"]) == ("2", "2")  # a thread for each run
    assert {job["JobState"] for job in (simulation, subject)} == {"COMPLETED"}
    assert digests(study)
    assert different(study, small_study) == []
    assert study.planned() == {}


def test_study_goes_on_after_scancel(cluster, small_study, raw_study):
    """A job that is cancelled in the middle fails the run; a plain start finishes it, with the same bytes."""
    first = raw_study.result("run-1_desc-resampled_bold.json")
    last = raw_study.result("contrast-facesMinusScrambled_stat-z_statmap.nii.gz")
    with ThreadPoolExecutor() as pool:
        run = pool.submit(raw_study.snakemake, *SLURM, *TEST_CLUSTER, check=False)
        slurm.wait_for("the first resampled run", lambda: first.exists() or run.done(), 120)
        (job,) = jobs(raw_study)
        assert job["JobState"] == "RUNNING"
        subprocess.run(["scancel", job["JobId"]], check=True)
    assert run.result().returncode != 0
    assert [job["JobState"] for job in jobs(raw_study)] == ["CANCELLED"]
    assert status(job["JobId"]) == "failed"
    assert not last.exists()
    raw_study.snakemake()
    assert last.exists()
    assert digests(raw_study).items() <= digests(small_study).items()


def test_each_subject_is_one_job_of_any_scheduler(cluster, small_study, tmp_path):
    """With the commands of cluster-generic: a job per subject, and the same bytes."""
    rows = [
        f"{subject}\tfaces\t1\t{small_study.folder}/data/simulated/sub001/fMRI/Session1/*.img\t"
        f"{small_study.result('run-1_events.tsv')}"
        for subject in ("01", "02")
    ]
    tmp_path.joinpath("runs.tsv").write_text("\n".join(["subject\ttask\trun\tbold\tevents", *rows]) + "\n")
    table = {"source": "table", "table": str(tmp_path / "runs.tsv"), "repetition_time": 2.0}
    study = Study(
        tmp_path / "study", {"study": table, "contrasts": {"faces": "faces"}, "outputs": ["maps", "figures"]}
    )
    pictures = [f"results/sub-{n}/figures/sub-{n}_task-faces_run-1_design.png" for n in ("01", "02")]
    study.snakemake(*GENERIC, *pictures)
    submitted = jobs(study)
    assert [job["JobState"] for job in submitted] == ["COMPLETED", "COMPLETED"]
    assert [status(job["JobId"]) for job in submitted] == ["success", "success"]
    for name in ("run-1_events.tsv", "run-1_design.tsv"):
        assert study.result(name).read_bytes() == small_study.result(name).read_bytes()


@pytest.mark.parametrize("profile", ["slurm", "cluster-generic"])
def test_profile_leaves_alone_what_is_up_to_date(profile, small_study, own_workflow):
    """The triggers of the profile default hold with it: touched code plans nothing."""
    for path in own_workflow.rglob("*"):
        if path.is_file():
            path.touch()
    study = Study(small_study.folder, small_study.config, own_workflow)
    assert study.planned("--profile", f"workflow/profiles/{profile}") == {}
