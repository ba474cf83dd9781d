"""The SPM auditory (MoAE) study: real volumes, each with its own affine."""

from studies import Study, merged


def auditory(folder, real_data, model):
    """Study of two runs of 42 volumes with an affine each."""
    folder.mkdir(exist_ok=True)
    rows = [
        f"01\tauditory\t{run}\t{real_data}/run-{run}/fM*.img\t{real_data}/run-{run}_events.tsv"
        for run in (1, 2)
    ]
    (folder / "runs.tsv").write_text("\n".join(["subject\ttask\trun\tbold\tevents", *rows]) + "\n")
    config = {
        "study": {"source": "table", "table": str(folder / "runs.tsv"), "repetition_time": 7.0},
        "contrasts": {"listening": "listening"},
        "outputs": ["maps", "figures"],
    }
    return Study(folder, merged(config, model), task="auditory")
