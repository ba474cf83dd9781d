"""Grids of maps with a blob in a round brain, along the axes and oblique, and what a figure of them says."""

import nibabel as nib
import numpy as np

SHAPE = (34, 38, 26)
ZOOMS = (-5.0, 5.0, 6.0)
CENTRE = (2.0, -15.0, 10.0)  # mm, of the volume and of its round brain


def affine_of(degrees):
    """Zooms, then rotations about x, y and z, around CENTRE."""
    a, b, c = np.deg2rad(degrees)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    axes = about_x @ about_y @ about_z @ np.diag(ZOOMS)
    return nib.affines.from_matvec(axes, np.array(CENTRE) - axes @ (np.array(SHAPE) - 1) / 2)


PLAIN, OBLIQUE = affine_of((0, 0, 0)), affine_of((20, 12, -15))


def distance(affine, mm):
    voxels = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    return np.linalg.norm(nib.affines.apply_affine(affine, voxels) - mm, axis=-1)


def texts_of(figure):
    return " | ".join(text.get_text() for text in figure.texts)
