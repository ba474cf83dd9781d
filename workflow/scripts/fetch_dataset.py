"""Download the SPM multimodal faces study and unpack it.

The registry says which archives make up the study, how large they are and what they must hold. An archive
is received into ``<name>.part``, checked and unpacked into a hidden folder, and only then takes its name;
the outputs take theirs when all archives have been unpacked. So a file under its final name is whole.

No checksum is published. The SHA-256 of the first archive that passes every check is recorded beside it,
and later downloads are held to it. Archives are kept: an archive that is there already (also one put there
by hand) is not downloaded again.
"""

import logging
from pathlib import Path

from firstlevel import stage
from firstlevel.io import archives, downloads, folders, kept_archives

logger = logging.getLogger(__name__)


def fetch_dataset(
    *,
    registry: Path,
    session1: Path,
    session2: Path,
    trials1: Path,
    trials2: Path,
    structural: Path,
    base_url: str,
) -> None:
    """Put the study's folders and files into place, all or none of them; keep the archives beside them."""
    outputs = {
        "session1": session1,
        "session2": session2,
        "trials1": trials1,
        "trials2": trials2,
        "structural": structural,
    }
    folders.check_free(session1, session2, remedy="remove it to unpack the study again")
    base = downloads.checked_base(base_url)
    subject = session1.parents[1]
    dataset = archives.read_registry(registry)
    with folders.temporary(subject) as unpacked:
        for archive in dataset:
            kept = subject.with_name(archive.file)
            kept_archives.take(archive, f"{base}/{archive.file}", kept, unpacked)
        folders.move_all(archives.places(dataset, unpacked, outputs))
    logger.info("study ready in %s", subject)


if __name__ == "__main__":
    stage.run(fetch_dataset, globals().get("snakemake"))
