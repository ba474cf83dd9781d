"""The licence of every package that the workflow runs with, as the package itself says it.

``python envs/licences.py`` writes envs/licences.tsv for the packages of envs/run.lock.txt, from what is
installed. Standard library.
"""

import importlib.metadata
import re
from pathlib import Path

LOCK = Path(__file__).with_name("run.lock.txt")
TABLE = Path(__file__).with_name("licences.tsv")
COLUMNS = ("package", "versions", "licence", "note")
NOT_PERMISSIVE = re.compile(r"GPL|General Public|MPL|Mozilla|EPL|Eclipse|CDDL|EUPL|CC-BY-(NC|SA)|unknown")
FORTRAN = "Wheels hold libgfortran (GPL-3.0 with GCC's runtime exception) and libquadmath (LGPL-2.1)."
FREE = "Using and installing it asks for nothing."
NOTES = {
    "certifi": f"Its list of certificates is under MPL-2.0. {FREE} Whoever hands on a changed list says so.",
    "docutils": "Public domain and BSD for what is imported; GPL for an Emacs mode that is not installed.",
    "tqdm": f"Parts are under MPL-2.0. {FREE} Whoever hands on changed files of it gives their source.",
    "numpy": f"{FORTRAN} {FREE}",
    "scipy": f"{FORTRAN} {FREE}",
    "scikit-learn": f"Wheels hold libgomp (GPL-3.0 with GCC's runtime exception). {FREE}",
    "pulp": f"Holds the program cbc (EPL-2.0), which Snakemake can schedule jobs with. {FREE}",
}
"""What is not permissive, in a package's licence or in what its files bring along, and what that means."""
ELSEWHERE = {"colorama": "BSD License", "pyreadline3": "BSD License"}
"""Packages for Windows alone, which are not installed where the table is made."""


def locked() -> dict[str, str]:
    """Versions by package, in the order of the lock."""
    found = re.findall(r"^([a-z0-9-]+)==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: " ".join(version for other, version in found if other == name) for name, _ in found}


def licence(name: str) -> str:
    """Licence of an installed package: expression, short name, classifiers, or the title of its text."""
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    package = importlib.metadata.metadata(name)
    short = package.get("License") or ""
    if package.get("License-Expression"):
        return package["License-Expression"]
    if short and "\n" not in short and len(short) <= 40:
        return short
    classes = [
        text.split(" :: ")[-1] for text in package.get_all("Classifier") or [] if "License :: " in text
    ]
    if classes:
        return ", ".join(classes)
    files = importlib.metadata.files(name) or []
    texts = [file.locate().read_text(encoding="utf-8") for file in files if file.name.startswith("LICENSE")]
    return texts[0].strip().partition("\n")[0] if texts else "unknown"


def table() -> str:
    """Text of the table."""
    rows = [(name, versions, licence(name), NOTES.get(name, "")) for name, versions in locked().items()]
    return "".join("\t".join(cell or "n/a" for cell in row) + "\n" for row in (COLUMNS, *rows))


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
