"""Select the CPU kernels of numpy and OpenBLAS, so that the last bits do not depend on the machine.

Both bring a kernel for each family of processors and choose at the start; the sums of each have another
order, or are fused with the products, so that results differ in their last bits, about 1e-15 of them. Every
x86-64 processor since 2013 (AVX2) gets the same one here. Of their newer ones OpenBLAS's is no faster where
matrices are as small as ours. Standard library only.
"""

from __future__ import annotations

import platform
from collections.abc import MutableMapping
from pathlib import Path

KERNEL = "Haswell"
"""OpenBLAS's name of its kernel for AVX2 and FMA."""
BEYOND_AVX2 = "X86_V4 AVX512_ICL AVX512_SPR AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL"
"""What numpy is not to use, by the names of its releases; it passes over those that it does not know."""
CPUINFO = Path("/proc/cpuinfo")


def choose(environment: MutableMapping[str, str], cpuinfo: Path = CPUINFO) -> None:
    """Set the variables that numpy reads when it is loaded; elsewhere than on Linux it chooses by itself.

    A choice that came from a newer machine, from which a job was sent, is taken back.
    """
    if has_avx2(cpuinfo):
        environment.update(OPENBLAS_CORETYPE=KERNEL, NPY_DISABLE_CPU_FEATURES=BEYOND_AVX2)
    elif environment.get("OPENBLAS_CORETYPE") == KERNEL:
        del environment["OPENBLAS_CORETYPE"]


def has_avx2(cpuinfo: Path = CPUINFO) -> bool:
    """Whether this is Linux on an x86-64 processor with AVX2 and FMA."""
    if platform.machine() != "x86_64" or not cpuinfo.is_file():
        return False
    with cpuinfo.open(encoding="utf-8") as file:
        flags = next((line for line in file if line.startswith("flags")), "").split()
    return {"avx2", "fma"} <= set(flags)
