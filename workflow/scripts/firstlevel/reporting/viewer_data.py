"""The data of the viewers of a subject's contrasts, for one viewer. Standard library."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from firstlevel.viewer_marks import END, START


def merged(pages: Iterable[str]) -> dict[str, Any]:
    """Data of several pages, where masks and backgrounds that are equal stand once."""
    whole: dict[str, Any] = {"masks": {}, "backgrounds": {}, "contrasts": []}
    for text in pages:
        begin = text.index(START) + len(START)
        data = json.loads(text[begin : text.index(END, begin)])
        whole["masks"] |= data["masks"]
        whole["backgrounds"] |= data["backgrounds"]
        whole["contrasts"] += data["contrasts"]
    return whole
