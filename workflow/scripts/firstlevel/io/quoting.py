"""Quotes around the cells of a table: off as it is read, on as it is written."""

from __future__ import annotations


def unquoted(value: str) -> str:
    """Cell without the quotes that enclose the whole of it; doubled quotes in it are one."""
    if len(value) < 2 or not (value[0] == value[-1] == '"'):
        return value
    inner = value[1:-1].replace('""', "\0")
    return value if '"' in inner else inner.replace("\0", '"').strip()


def quoted(value: str) -> str:
    """Cell that is read as this value: one that has quotes around it needs another pair."""
    return value if unquoted(value) == value else '"' + value.replace('"', '""') + '"'
