"""What the code of a stage is: its script and all modules of ours that it imports. Standard library."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from firstlevel.stage import SCRIPTS


def code_digest(script: str) -> str:
    """Digest of a stage's script and of every ``firstlevel`` module that it imports, directly or not.

    As a rule's parameter it makes Snakemake rerun the stages that an edit concerns, and no others;
    Snakemake itself does not look into what a script imports.
    """
    files = {script}
    pending = [script]
    while pending:
        new = _source(SCRIPTS, pending.pop()).imports - files
        files |= new
        pending += new
    return hashlib.sha256(
        "".join(_source(SCRIPTS, name).digest for name in sorted(files)).encode()
    ).hexdigest()[:16]


@dataclass(frozen=True)
class _Source:
    """Digest of a file of code (its name and content), and the modules of ours that it imports."""

    digest: str
    imports: frozenset[str]


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """Statements of a module at any depth: imports stand nowhere else, and expressions are most of a tree."""
    for part in ("body", "orelse", "finalbody", "handlers", "cases"):
        inner = getattr(node, part, ())
        for child in inner if isinstance(inner, list) else ():  # the body of a lambda is no list
            if isinstance(child, ast.stmt):
                yield child
            yield from _statements(child)


@functools.cache
def _source(folder: Path, name: str) -> _Source:
    content = (folder / f"{name}.py").read_bytes()
    imports: set[str] = set()
    for node in _statements(ast.parse(content)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise ImportError(f"{name}.py imports relatively, which the digest of the code does not follow")
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        imports |= {module.replace(".", "/") for module in names if module.split(".")[0] == __package__}
    ours = frozenset(module for module in imports if (folder / f"{module}.py").is_file())
    return _Source(hashlib.sha256(name.encode() + b"\0" + content).hexdigest(), ours)
