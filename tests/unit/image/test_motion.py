"""Displacements from affines."""

import numpy as np
import pytest

from firstlevel.image import motion, rigid
from firstlevel.stage import InputError


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
    translation, rotation = rigid.rigid_parameters(moved, reference)
    np.testing.assert_allclose(translation, [0.5, -1.5, 2.5], rtol=0, atol=1e-9)
    np.testing.assert_allclose(rotation, degrees, rtol=0, atol=1e-9)


NAMES = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]


def write_table(path, values, names=NAMES, displacement=None):
    rows = [[f"{value:.9g}" for value in row] for row in values]
    header = list(names)
    if displacement is not None:
        header.append("framewise_displacement")
        rows = [[*row, text] for row, text in zip(rows, displacement, strict=True)]
    lines = ([header] if names else []) + rows
    path.write_text("".join("\t".join(line) + "\n" for line in lines))
    return path


@pytest.fixture
def walk():
    """Parameters of 30 scans in mm and radians, and Power's displacement of each but the first, by a loop."""
    values = np.random.default_rng(1).normal(0, [0.1] * 3 + [0.002] * 3, (30, 6)).cumsum(axis=0)
    steps = [
        sum(
            abs(now - before) * (1 if k < 3 else 50) for k, (now, before) in enumerate(zip(a, b, strict=True))
        )
        for a, b in zip(values[1:], values[:-1], strict=True)
    ]
    return values, steps


def test_rotations_of_a_table_are_radians_and_become_degrees(tmp_path, walk):
    """As fMRIPrep has them; displacement of the parameters is Power's."""
    values, steps = walk
    found = motion.of_table(write_table(tmp_path / "c.tsv", values), 30)
    np.testing.assert_allclose(found.parameters[:, :3], values[:, :3], rtol=1e-7, atol=0)
    np.testing.assert_allclose(found.parameters[:, 3:], np.degrees(values[:, 3:]), rtol=1e-7, atol=0)
    np.testing.assert_allclose(found.framewise[1:], steps, rtol=1e-6, atol=0)
    assert np.isnan(found.framewise[0])


def test_displacement_beside_them_tells_the_unit_of_rotations(tmp_path, walk):
    """Degrees, small enough to pass for radians, give 57 times the displacement; large ones tell by size."""
    values, steps = walk
    degrees = np.hstack([values[:, :3], np.degrees(values[:, 3:])])
    said = ["n/a", *(f"{step:.9g}" for step in steps)]
    found = motion.of_table(write_table(tmp_path / "c.tsv", degrees, displacement=said), 30)
    np.testing.assert_allclose(found.parameters, degrees, rtol=1e-7, atol=0)
    assert "rotations in degrees" in found.origin
    degrees[:, 3:] *= 10
    found = motion.of_table(write_table(tmp_path / "c.tsv", degrees), 30)
    np.testing.assert_allclose(found.parameters, degrees, rtol=1e-7, atol=0)


@pytest.mark.parametrize(("name", "order"), [("rp_b.txt", [0, 1, 2, 3, 4, 5]), ("b.par", [3, 4, 5, 0, 1, 2])])
def test_tables_of_spm_and_fsl_have_their_order(tmp_path, walk, name, order):
    """SPM's begin with the translations, FSL's with the rotations; a file of another name tells nothing."""
    values, _ = walk
    found = motion.of_table(write_table(tmp_path / name, values[:, order], names=()), 30)
    np.testing.assert_allclose(found.parameters[:, 3:], np.degrees(values[:, 3:]), rtol=1e-7, atol=0)
    other = motion.of_table(write_table(tmp_path / "moved.txt", values, names=()), 30)
    assert other.source == motion.UNKNOWN


def test_a_table_of_another_length_is_an_error(tmp_path, walk):
    """It is another run's."""
    with pytest.raises(InputError, match="has 30 rows for a run of 31 scans"):
        motion.of_table(write_table(tmp_path / "c.tsv", walk[0]), 31)
