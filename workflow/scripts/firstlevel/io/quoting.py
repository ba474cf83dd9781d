"""Quotes around the cells of a table: removed on reading, added on writing."""

from __future__ import annotations


def unquoted(value: str) -> str:
    """Cell without the quotes that enclose the whole of it; doubled quotes in it are one."""
    if len(value) < 2 or not (value[0] == value[-1] == '"'):
        return value
    inner = value[1:-1].replace('""', "\0")
    return value if '"' in inner else inner.replace("\0", '"').strip()


def quoted(value: str) -> str:
    """Cell that is read back as this value: a value in quotes needs another pair."""
    return value if unquoted(value) == value else '"' + value.replace('"', '""') + '"'
