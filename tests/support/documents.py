"""The pages of the documents, and what they tell people to type."""

import re
import shlex

from studies import ROOT

PAGES = ["README.md", "config/README.md", *(f"docs/{p.name}" for p in sorted((ROOT / "docs").glob("*.md")))]


def blocks(page, language):
    """Text of each block of a page that is in a language."""
    text = (ROOT / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(page):
    """Words of each command in the bash blocks of a page, without comments and what is written to files."""
    for block in blocks(page, "bash"):
        block = re.sub(r"<<'END'\n.*?^END$", "", block, flags=re.MULTILINE | re.DOTALL)
        for line in block.replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                yield words


COMMANDS = [(page, words) for page in PAGES for words in commands(page)]
