"""Displacements from affines."""

import numpy as np
import pytest

from firstlevel import motion


def spm_matrix(x, y, z, pitch, roll, yaw):
    """SPM's rigid transformation of six parameters, in mm and radians, as its manual writes it."""
    translation = np.eye(4)
    translation[:3, 3] = x, y, z
    about_x, about_y, about_z = np.eye(4), np.eye(4), np.eye(4)
    c, s = np.cos(pitch), np.sin(pitch)
    about_x[1:3, 1:3] = [[c, s], [-s, c]]
    c, s = np.cos(roll), np.sin(roll)
    about_y[0, [0, 2]], about_y[2, [0, 2]] = [c, s], [-s, c]
    c, s = np.cos(yaw), np.sin(yaw)
    about_z[:2, :2] = [[c, s], [-s, c]]
    return translation @ about_x @ about_y @ about_z


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1)])
def test_six_parameters_come_back_from_the_affine(signs):
    """Translations and the three angles, each with its sign and in its place, whatever the voxel sizes."""
    degrees = np.array([1.0, 2.5, 4.0]) * signs
    reference = np.array([[-3.0, 0.2, 0, 90], [0.1, 2.5, 0.3, -120], [0, -0.3, 4, -70], [0, 0, 0, 1]])
    moved = spm_matrix(0.5, -1.5, 2.5, *np.radians(degrees)) @ reference
    translation, rotation = motion.rigid_parameters(moved, reference)
    np.testing.assert_allclose(translation, [0.5, -1.5, 2.5], rtol=0, atol=1e-9)
    np.testing.assert_allclose(rotation, degrees, rtol=0, atol=1e-9)
