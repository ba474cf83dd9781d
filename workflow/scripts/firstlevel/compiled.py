"""How kernels are compiled: once for each processor, and kept; without the interpreter lock."""

from __future__ import annotations

import numba


def _finds_a_cache() -> bool:
    """Whether numba has a folder to keep compiled kernels in, in the checkout or in the user's cache."""
    try:
        numba.njit(cache=True)(_finds_a_cache)
    except RuntimeError:
        return False
    return True


IS_CACHED = _finds_a_cache()
kernel = numba.njit(cache=IS_CACHED, nogil=True)
"""Decorator; threads may run kernels at the same time."""
