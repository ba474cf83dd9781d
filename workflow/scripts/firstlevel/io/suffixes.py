"""Suffixes of images and of the files beside them. Standard library."""

from firstlevel.io import spm_affines

SUFFIXES = (".nii", ".nii.gz", ".img")
"""How the names of volumes end."""
COMPANIONS = (".hdr", spm_affines.SUFFIX)
"""What lies beside an image: the header of a pair, SPM's affines."""
