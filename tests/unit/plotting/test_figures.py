"""The figure stages: what the pictures show, where, and that they come out the same twice."""

import itertools
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib.image
import nibabel as nib
import numpy as np
import pytest
from blob_maps import CENTRE, OBLIQUE, PLAIN, SHAPE, ZOOMS, distance, texts_of
from PIL import Image

from firstlevel.image import motion
from firstlevel.io import designs, event_table, images, sidecars
from firstlevel.plotting import (
    drawing,
    figures,
    matrices,
    motion_curves,
    overlay,
    projection,
    sections,
    thresholds,
    timeline,
    zmap,
)
from firstlevel.stage import SCRIPTS, InputError

RADIUS = 60.0  # mm
BLOB = np.array([28.0, -35.0, 25.0])  # mm
MODES = ("x", "y", "z", "ortho", "tiled", "mosaic", "xz", "yz", "yx")
COLOUR = 60 / 255  # difference between channels from which a pixel is no grey of the background
PLACE = 1.5  # mm: a pixel is 0.5 mm, a voxel at the rim of the blob shifts its centroid by as much


def plot_zmap(*, z, background, figure, title, threshold, display_mode, cut_coords, signed=True):
    source = images.load(z)
    brain, mean = sections.shown_over(source, images.load(background), signed)
    chosen = thresholds.above(source, threshold, signed)
    if isinstance(cut_coords, int):
        brain, mean = sections.cropped_to_brain(brain, mean)
        places = sections.through_activation(brain, chosen.image, display_mode, cut_coords)
    else:
        places = sections.as_chosen(brain, display_mode, cut_coords)
    canvas = zmap.Canvas(
        grid=brain,
        mean=mean,
        frame=projection.frame(source),
        scale=overlay.Scale.of([chosen.image], threshold, signed),
        display_mode=display_mode,
        places=places,
        title=title,
        over=sections.background_named(background),
    )
    figures.save(zmap.draw(canvas, chosen), figure)


def plot_events(*, events, figure, title):
    figures.save(timeline.draw(event_table.read_events(events, needed=False), title), figure)


def plot_design(*, design, figure, title):
    saved = designs.read(design)
    figures.save(matrices.draw(saved.names, saved.matrix, title), figure)


def plot_motion(*, sidecar, figure, title, confounds=None):
    moved = sidecars.read_json(sidecar)
    known = motion.of_run(moved, confounds)
    figures.save(motion_curves.draw(known, len(moved["Translation"]), title), figure)


@pytest.fixture
def study(tmp_path):
    """Write a map with a blob of the given height on a ball of a brain; give the stage's arguments."""

    def write(affine=PLAIN, height=8.0, outside=0.0):
        brain = distance(affine, CENTRE) < RADIUS
        ripple = np.sin(np.arange(np.prod(SHAPE))).reshape(SHAPE)  # between -1 and 1
        z = 0.3 * ripple + height * np.exp(-(distance(affine, BLOB) ** 2) / (2 * 12.0**2))
        z[~brain] = outside
        mean = np.where(brain, 800 + 100 * ripple, 5)
        paths = {"z": tmp_path / "z.nii.gz", "background": tmp_path / "mean.nii.gz"}
        for path, values in zip(paths.values(), (z, mean), strict=True):
            nib.Nifti1Image(values.astype(np.float32), affine).to_filename(path)
        return paths | {
            "figure": tmp_path / "zmap.png",
            "title": "sub-01 · faces - scrambled",
            "threshold": 3.0,
            "display_mode": "z",
            "cut_coords": 3,
        }

    return write


@pytest.fixture
def shown(monkeypatch):
    """Give the figures that stages would have saved."""
    kept = []
    monkeypatch.setattr(figures, "save", lambda figure, _: kept.append(figure))
    return kept


def pixels_of(figure):
    """Pixels of the canvas, (height, width, 3); titles and colour bar stand beside the canvas."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3] / 255


def coloured(pixels):
    return np.ptp(pixels[..., :3], axis=-1) > COLOUR


def cuts_of(figure):
    """Axes of the cuts by their annotation, such as z=25."""
    return {text.get_text(): axes for axes in figure.axes for text in axes.texts if "=" in text.get_text()}


def place_of_colour(figure, axes):
    """Centroid of the coloured pixels of a cut, mm along its two axes."""
    rows, columns = np.nonzero(coloured(pixels_of(figure)))
    height = figure.canvas.get_width_height()[1]
    return (
        axes.transData.inverted()
        .transform(np.stack([columns + 0.5, height - rows - 0.5], axis=1))
        .mean(axis=0)
    )


@pytest.mark.parametrize("affine", [PLAIN, OBLIQUE], ids=["plain", "oblique"])
@pytest.mark.parametrize("mode", ["x", "y", "z"])
def test_a_blob_is_drawn_where_it_is_in_mm(study, shown, affine, mode):
    """One cut through the blob has its colour at the blob's other two coordinates."""
    axis = "xyz".index(mode)
    plot_zmap(**study(affine) | {"display_mode": mode, "cut_coords": [float(BLOB[axis])]})
    (axes,) = cuts_of(shown[0]).values()
    np.testing.assert_allclose(place_of_colour(shown[0], axes), np.delete(BLOB, axis), rtol=0, atol=PLACE)


@pytest.mark.parametrize("affine", [PLAIN, OBLIQUE], ids=["plain", "oblique"])
@pytest.mark.parametrize("mode", ["x", "y", "z"])
def test_a_cut_that_the_stage_chooses_goes_through_the_blob(study, shown, affine, mode):
    """The only cut lies within a voxel of the blob, in mm of the space, and shows it."""
    plot_zmap(**study(affine) | {"display_mode": mode, "cut_coords": 1})
    ((label, axes),) = cuts_of(shown[0]).items()
    axis = "xyz".index(mode)
    assert abs(float(label.split("=")[1]) - BLOB[axis]) <= abs(ZOOMS[axis])
    place = place_of_colour(shown[0], axes)
    np.testing.assert_allclose(place, np.delete(BLOB, axis), rtol=0, atol=abs(ZOOMS[axis]))


@pytest.mark.parametrize("affine", [PLAIN, OBLIQUE], ids=["plain", "oblique"])
@pytest.mark.parametrize("mode", ["ortho", "tiled", "mosaic", "xz", "yx", "z"])
def test_a_blob_is_where_it_should_be_in_each_of_several_cuts(study, shown, affine, mode):
    """Its place in a cut is that in the space, from the lower left corner that bears the cut's name."""
    arguments = study(affine)
    planes = {"x": (1, 2), "y": (0, 2), "z": (0, 1)}
    directions = sections.directions_of(mode)
    at = [float(BLOB["xyz".index(direction)]) for direction in directions]
    if mode == "z":
        directions, at = "zz", [float(BLOB[2]) - 12, float(BLOB[2])]
    plot_zmap(**arguments | {"display_mode": mode, "cut_coords": at})
    grid, _ = sections.on_plain_grid(nib.load(arguments["z"]), nib.load(arguments["background"]))
    sides = np.diag(grid.affine)[:3] * grid.shape
    first = grid.affine[:3, 3] - np.diag(grid.affine)[:3] / 2
    axes = shown[0].axes[0]
    named = {text.get_text(): text.get_position() for text in axes.texts}
    rows, columns = np.nonzero(coloured(pixels_of(shown[0])))
    height = shown[0].canvas.get_width_height()[1]
    mm = axes.transData.inverted().transform(np.stack([columns + 0.5, height - rows - 0.5], axis=1))
    for direction, coordinate in zip(directions, at, strict=True):
        plane = list(planes[direction])
        own = mm - named[f"{direction}={round(coordinate)}"] + first[plane]
        inside = np.all((own > first[plane]) & (own < (first + sides)[plane]), axis=1)
        assert inside.sum() > 50
        np.testing.assert_allclose(own[inside].mean(axis=0), BLOB[plane], rtol=0, atol=PLACE)


@pytest.mark.parametrize("mode", MODES)
def test_every_display_mode_takes_a_number_of_cuts(study, mode):
    """Whatever the mode, an int gives a picture with colour in it and no warning."""
    arguments = study(OBLIQUE) | {"display_mode": mode, "cut_coords": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_zmap(**arguments)
    assert coloured(matplotlib.image.imread(arguments["figure"])).sum() > 500


def waves(points):
    """A smooth image of points in mm."""
    return 500 + 100 * np.sin(points @ [0.03, 0.05, -0.04]) + points @ [0.5, -0.2, 0.1]


@pytest.mark.parametrize("affine", [PLAIN, OBLIQUE], ids=["plain", "oblique"])
@pytest.mark.parametrize("side", [1.0, 1.7, 8.0])
def test_background_of_smaller_voxels_keeps_its_place_and_its_detail(study, affine, side):
    """Its values at each mm of the space, inside the map's outer faces; larger voxels take the map's grid."""
    source = nib.load(study(affine)["z"])
    corners = nib.affines.apply_affine(affine, np.array(list(np.ndindex(2, 2, 2))) * (np.array(SHAPE) - 1))
    low, high = corners.min(axis=0) - 20, corners.max(axis=0) + 20
    shape = tuple(np.ceil((high - low) / side).astype(int))
    own = np.diag([-side, side, side, 1.0])  # to the left, as some T1w are
    own[:3, 3] = high[0], low[1], low[2]
    points = nib.affines.apply_affine(own, np.moveaxis(np.indices(shape), 0, -1))
    background = nib.Nifti1Image(waves(points).astype(np.float32), own)
    plain, behind = sections.on_plain_grid(source, background)
    cropped, around = sections.cropped_to_brain(plain, behind)
    parts = np.array(around.shape) / cropped.shape
    steps = np.diag(plain.affine)[:3]
    np.testing.assert_array_equal(parts, np.clip(np.floor(steps / side + 0.25), 1, 4))
    for ends in (-0.5, np.array(cropped.shape) - 0.5):  # outer faces of the voxels
        fine = (np.asarray(ends) + 0.5) * parts - 0.5
        expected = nib.affines.apply_affine(cropped.affine, np.broadcast_to(ends, 3))
        found = nib.affines.apply_affine(around.affine, fine)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    shown = nib.affines.apply_affine(around.affine, np.moveaxis(np.indices(around.shape), 0, -1))
    inside = (np.linalg.norm(shown - CENTRE, axis=-1) < RADIUS).nonzero()
    # linear between voxels: the curvature of the waves over a voxel; and what is cut off of the brightest
    values = np.asarray(around.dataobj)[inside]
    ends = np.percentile(waves(points), [1, 99.5])
    np.testing.assert_allclose(
        values, np.clip(waves(shown), *ends)[inside], rtol=0, atol=0.1 + 0.08 * side**2
    )


def test_background_is_named_and_one_that_lies_elsewhere_is_an_error(study, shown, tmp_path):
    """A T1w is told of, the mean is not; a black picture would tell nothing."""
    arguments = study()
    values = np.random.default_rng(7).uniform(1, 2, (120, 120, 120)).astype(np.float32)
    finer = nib.Nifti1Image(values, np.diag([2.0, 2, 2, 1]))
    finer.affine[:3, 3] = nib.load(arguments["z"]).affine[:3, 3] - 60
    path = tmp_path / "sub-01_space-MNI_desc-preproc_T1w.nii.gz"
    moved = finer.affine.copy()
    nib.Nifti1Image(values, moved).to_filename(path)
    plot_zmap(**arguments | {"background": path})
    assert shown[0].texts[-1].get_text().endswith("over the T1w")
    moved[:3, 3] += 2000
    nib.Nifti1Image(values, moved).to_filename(path)
    with pytest.raises(
        InputError, match=r"T1w.nii.gz: does not overlap with the map(.|\n)*figures.background"
    ):
        plot_zmap(**arguments | {"background": path})
    assert sections.background_named(Path("sub-01_task-a_desc-mean_boldref.nii.gz")) == ""
    assert sections.background_named(Path("mni.nii")) == " · over the given background"


def test_means_of_runs_are_averaged_where_they_are_the_background(tmp_path):
    """Every run counts once, however long it is; one image is taken as it is."""
    paths = [tmp_path / f"{number}.nii.gz" for number in range(3)]
    means = np.random.default_rng(4).normal(800, 50, (3, 6, 5, 4)).astype(np.float32)
    for path, values in zip(paths, means, strict=True):
        nib.Nifti1Image(values, OBLIQUE).to_filename(path)
    image = sections.background_of(paths)
    np.testing.assert_array_equal(image.affine, nib.load(paths[0]).affine)
    np.testing.assert_allclose(image.get_fdata(), means.astype(float).mean(axis=0), rtol=1e-6, atol=0)
    assert sections.background_of(paths[1:2]).get_filename() == str(paths[1])


@pytest.mark.parametrize(
    ("affine", "mode"),
    [(PLAIN, "z"), (OBLIQUE, "z"), (PLAIN, "ortho"), (OBLIQUE, "tiled"), (OBLIQUE, "mosaic")],
)
def test_an_empty_map_shows_the_background_without_colour(study, shown, affine, mode):
    """Nothing above the threshold: the brain in grey, the note, a colour bar, no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_zmap(**study(affine, height=0.0) | {"display_mode": mode})
    pixels = pixels_of(shown[0])
    assert not coloured(pixels).any()
    assert (pixels.mean(axis=-1) > 0.3).mean() > 0.1
    assert "no voxel above threshold" in texts_of(shown[0])
    assert any(axes.get_title() == "z" for axes in shown[0].axes)


def test_a_map_of_zeros_is_drawn(study, shown):
    """A map without any value has cuts through the middle of the image."""
    arguments = study()
    image = nib.load(arguments["z"])
    nib.Nifti1Image(np.zeros(SHAPE, np.float32), image.affine).to_filename(arguments["z"])
    plot_zmap(**arguments | {"threshold": 0.0})
    assert len(cuts_of(shown[0])) == 3
    assert not coloured(pixels_of(shown[0])).any()


def test_voxels_that_are_not_a_number_are_not_shown(study, shown):
    """NaN outside of the mask draws what 0 outside of the mask draws."""
    for outside in (0.0, np.nan):
        plot_zmap(**study(OBLIQUE, outside=outside))
    np.testing.assert_array_equal(pixels_of(shown[0]), pixels_of(shown[1]))


@pytest.mark.parametrize(
    ("signed", "found"), [(True, "|z| > 3.0, uncorrected · "), (False, "z > 3.0, uncorrected · no voxel")]
)
def test_negative_values_are_shown_for_signed_maps_only(study, shown, signed, found):
    """A negative blob is blue in a t map and absent from an F map."""
    plot_zmap(**study(height=-8.0), signed=signed)
    pixels = pixels_of(shown[0])
    assert coloured(pixels).any() == signed
    assert np.all(pixels[coloured(pixels)][:, 2] >= pixels[coloured(pixels)][:, 0])
    assert found in texts_of(shown[0])


def test_the_colour_scale_of_both_signs_is_symmetric(study, shown):
    """Ends of the colour bar are plus and minus the peak where both signs are shown; else one half of it."""
    arguments = study()
    plot_zmap(**arguments)
    image = nib.load(arguments["z"])
    values = image.get_fdata(dtype=np.float32)
    peak = np.abs(values).max()
    values[12, 20, 7] = -4.0
    nib.Nifti1Image(values, image.affine).to_filename(arguments["z"])
    plot_zmap(**arguments)
    for figure, ends in zip(shown, [(3.0, peak), (-peak, peak)], strict=True):
        (bar,) = (axes for axes in figure.axes if axes.get_title() == "z")
        np.testing.assert_allclose(bar.get_ylim(), ends, rtol=1e-6, atol=0)


def test_a_weak_voxel_alone_is_still_cut_and_coloured(study, shown):
    """A single voxel barely above the threshold decides the cut, not a wide blob just below it."""
    arguments = study(OBLIQUE, height=2.6)
    image = nib.load(arguments["z"])
    values = image.get_fdata(dtype=np.float32)
    values[12, 20, 7] = 3.001
    nib.Nifti1Image(values, image.affine).to_filename(arguments["z"])
    plot_zmap(**arguments | {"cut_coords": 1})
    assert "· 1 voxel" in texts_of(shown[0])
    assert coloured(pixels_of(shown[0])).any()


@pytest.mark.parametrize(("mode", "cuts"), [("ortho", [0.0, 1.0]), ("z", [0.0, 500.0]), ("xz", [900.0, 0.0])])
def test_impossible_cuts_are_the_users_error(study, mode, cuts):
    """Too few coordinates, or one outside of the image, name the config key."""
    with pytest.raises(InputError, match=r"figures\.cut_coords"):
        plot_zmap(**study() | {"display_mode": mode, "cut_coords": cuts})


@pytest.mark.parametrize("mode", ["x", "y", "z", "ortho"])
@pytest.mark.parametrize("factor", [0.2, 0.5, 1.0, 2.0])
def test_small_brains_are_drawn_as_large_as_others(mode, factor):
    """Cuts of a slab or a small head leave room for the texts above them; large ones keep to a page."""
    zmap = nib.Nifti1Image(np.ones((30, 36, 24)), np.diag([5 * factor, 5 * factor, 5 * factor, 1.0]))
    width, height = sections.size(zmap, mode, [0.0, 0.0, 0.0])
    assert width >= 2.9 * sections.LARGE * sections.INCHES_PER_MM * 24 / 36
    assert width <= sections.MAX_WIDTH
    assert height >= sections.LARGE * sections.INCHES_PER_MM * 24 / 36


def test_sampling_on_the_plain_grid_invents_no_value(study):
    """Every value on the plain grid is a value of the oblique map, and the peak is kept."""
    arguments = study(OBLIQUE)
    source = nib.load(arguments["z"])
    plain, _ = sections.on_plain_grid(source, nib.load(arguments["background"]))
    values = sections.finite(plain)
    assert set(np.unique(values)) <= set(np.unique(source.get_fdata(dtype=np.float32))) | {0.0}
    assert values.max() == source.get_fdata(dtype=np.float32).max()


def write_events(path, rows):
    path.write_text(
        "onset\tduration\ttrial_type\n" + "".join("\t".join(map(str, row)) + "\n" for row in rows)
    )


def write_design(path, n_columns):
    columns = np.random.default_rng(1).normal(size=(90, n_columns))
    columns[:, -1] = 0  # a regressor without any event
    names = [f"a_rather_long_regressor_{i}" for i in range(n_columns)]
    np.savetxt(path, columns, delimiter="\t", header="\t".join(names), comments="")


def write_motion(path, n_volumes, scale):
    walk = scale * np.random.default_rng(2).normal(size=(2, n_volumes, 3)).cumsum(axis=1)
    path.write_text(json.dumps({"Translation": walk[0].tolist(), "Rotation": walk[1].tolist()}))


@pytest.fixture
def calls(study, tmp_path):
    """One call of each stage."""
    write_events(tmp_path / "events.tsv", [(10 * i, i % 3, f"type{i % 4}") for i in range(30)])
    write_design(tmp_path / "design.tsv", 20)
    write_motion(tmp_path / "motion.json", 120, 0.02)
    return {
        plot_zmap: study(OBLIQUE),
        plot_events: {"events": tmp_path / "events.tsv", "figure": tmp_path / "e.png", "title": "run 1"},
        plot_design: {"design": tmp_path / "design.tsv", "figure": tmp_path / "d.png", "title": "run 1"},
        plot_motion: {"sidecar": tmp_path / "motion.json", "figure": tmp_path / "m.png", "title": "run 1"},
    }


@pytest.mark.parametrize("function", [plot_zmap, plot_events, plot_design, plot_motion])
def test_a_figure_is_written_and_is_the_same_twice(calls, function):
    """Each stage writes a picture of a sensible size with content, byte for byte reproducible."""
    arguments = calls[function]
    function(**arguments)
    first = arguments["figure"].read_bytes()
    height, width, _ = matplotlib.image.imread(arguments["figure"]).shape
    assert 700 < width < 2400
    assert 250 < height < 2400
    assert matplotlib.image.imread(arguments["figure"])[..., :3].std() > 0.05
    function(**arguments)
    assert arguments["figure"].read_bytes() == first
    assert b"Software" not in first


@pytest.mark.parametrize("function", [plot_zmap, plot_design, plot_events, plot_motion])
def test_nothing_is_cut_off(calls, function):
    """An empty margin runs all around the content, and is not much wider anywhere than asked for."""
    arguments = calls[function]
    function(**arguments)
    pixels = matplotlib.image.imread(arguments["figure"])[..., :3]
    drawn = np.argwhere(np.any(np.abs(pixels - pixels[0, 0]) > 0.02, axis=2))
    margin = figures.MARGIN * drawing.DOTS_PER_INCH
    spaces = [*drawn.min(axis=0), *(np.array(pixels.shape[:2]) - 1 - drawn.max(axis=0))]
    assert min(spaces) > 0.5 * margin
    assert max(spaces) < 4 * margin


@pytest.mark.parametrize("duration", [0.0, 0.05])
def test_events_without_length_are_visible(tmp_path, shown, duration):
    """Impulses in a long run leave a coloured mark each, and no warning."""
    write_events(tmp_path / "events.tsv", [(100.0 * i, duration, "probe") for i in range(11)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_events(events=tmp_path / "events.tsv", figure=tmp_path / "e.png", title="run 1")
    marked = coloured(pixels_of(shown[0])).any(axis=0).astype(int)
    assert np.count_nonzero(np.diff(marked) == 1) == 11


def test_run_without_events_says_so_and_shows_none(tmp_path, shown):
    """No event is made up: a row without a mark, at time 0."""
    write_events(tmp_path / "events.tsv", [])
    plot_events(events=tmp_path / "events.tsv", figure=tmp_path / "e.png", title="run 1")
    [axes] = shown[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["no events"]
    assert not axes.patches
    assert not coloured(pixels_of(shown[0])).any()


@pytest.mark.parametrize("n_types", [1, 2, 12, 25])
def test_every_trial_type_has_its_row_and_name(tmp_path, shown, n_types):
    """Names stand beside the rows, from the top in the order of the alphabet."""
    names = [f"type{i:02d}" for i in range(n_types)]
    write_events(tmp_path / "events.tsv", [(5.0 * i, 1.0, names[i % n_types]) for i in range(3 * n_types)])
    plot_events(events=tmp_path / "events.tsv", figure=tmp_path / "e.png", title="run 1")
    labels = [label.get_text() for label in shown[0].axes[0].get_yticklabels()]
    assert labels == [f"{name}  (3)" for name in reversed(names)]
    assert shown[0].axes[0].get_legend() is None


def test_events_before_the_first_scan_are_in_the_picture(tmp_path, shown):
    """The time axis begins with the first event where that is negative."""
    write_events(tmp_path / "events.tsv", [(-20.0, 2.0, "a"), (30.0, 2.0, "b")])
    plot_events(events=tmp_path / "events.tsv", figure=tmp_path / "e.png", title="run 1")
    low, high = shown[0].axes[0].get_xlim()
    assert low < -20
    assert high > 32


@pytest.mark.parametrize("n_columns", [2, 20, 40])
def test_the_regressors_names_do_not_overlap(tmp_path, shown, n_columns):
    """Every column bears its name, at a distance of at least the letters' height from the next."""
    write_design(tmp_path / "design.tsv", n_columns)
    plot_design(design=tmp_path / "design.tsv", figure=tmp_path / "d.png", title="run 1")
    axes = shown[0].axes[0]
    shown[0].canvas.draw()
    labels = axes.get_xticklabels()
    assert [label.get_text() for label in labels] == [
        f"a_rather_long_regressor_{i}" for i in range(n_columns)
    ]
    columns = axes.transData.transform([(0, 0), (1, 0)])[:, 0]
    across = np.diff(columns)[0] * np.sin(np.deg2rad(labels[0].get_rotation()))
    assert across > labels[0].get_fontsize() * shown[0].dpi / 72


def test_a_run_that_never_moved_has_sensible_limits(tmp_path, shown):
    """Next to nothing: flat lines in the middle of at least a tenth of a mm or degree to each side."""
    write_motion(tmp_path / "motion.json", 50, 1e-6)
    plot_motion(sidecar=tmp_path / "motion.json", figure=tmp_path / "m.png", title="run 1")
    for axes in shown[0].axes:
        low, high = axes.get_ylim()
        assert low == -high
        assert 0.1 <= high < 0.2


def test_motion_panels_name_units_and_directions(tmp_path, shown):
    """Six curves, three per panel, with their units on the axis and their names in the legend."""
    write_motion(tmp_path / "motion.json", 50, 1.0)
    plot_motion(sidecar=tmp_path / "motion.json", figure=tmp_path / "m.png", title="run 1")
    for axes, unit, names in zip(
        shown[0].axes, ("mm", "degrees"), (["x", "y", "z"], ["pitch", "roll", "yaw"]), strict=True
    ):
        assert unit in axes.get_ylabel()
        assert [text.get_text() for text in axes.get_legend().get_texts()] == names
        low, high = axes.get_ylim()
        curves = [line.get_ydata() for line in axes.lines if len(line.get_xdata()) == 50]
        assert len(curves) == 3
        assert low < np.min(curves) <= np.max(curves) < high


def test_motion_figure_is_of_the_table_where_the_affines_are_one(tmp_path, shown):
    """Curves and what they are from; without a table none at 0, as of a head that lay still."""
    write_motion(tmp_path / "motion.json", 50, 0.0)
    plot_motion(sidecar=tmp_path / "motion.json", figure=tmp_path / "m.png", title="run 1")
    assert not any(axes.lines for axes in shown[0].axes)
    assert [text.get_text() for axes in shown[0].axes for text in axes.texts].count("not known") == 2
    values = np.random.default_rng(3).normal(0, [0.1] * 3 + [0.002] * 3, (50, 6)).cumsum(axis=0)
    names = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
    table = tmp_path / "c.tsv"
    np.savetxt(table, values, delimiter="\t", header="\t".join(names), comments="")
    plot_motion(sidecar=tmp_path / "motion.json", figure=tmp_path / "m.png", title="run 1", confounds=table)
    for axes, expected in zip(shown[1].axes, (values[:, :3], np.degrees(values[:, 3:])), strict=True):
        curves = np.array([line.get_ydata() for line in axes.lines if len(line.get_xdata()) == 50])
        np.testing.assert_allclose(curves.T, expected, rtol=1e-12, atol=0)
    subtitle = shown[1].axes[0].texts[-1]
    assert subtitle.get_text() == "from the table of confounds, where rotations are in radians"


def test_one_volume_of_motion_is_a_point(tmp_path, shown):
    """A run of one volume is drawn with markers and without a warning."""
    write_motion(tmp_path / "motion.json", 1, 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_motion(sidecar=tmp_path / "motion.json", figure=tmp_path / "m.png", title="run 1")
    assert shown[0].axes[0].lines[0].get_marker() == "o"


RC = {
    "no UTF-8": b"font.family: \xe9\n",
    "no settings": b"nonsense {} \x00\n: :\n",
    "another look": b"axes.facecolor: red\ntext.usetex: True\nsavefig.dpi: 10\nbackend: Qt5Agg\n",
}


DRAWING = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(SCRIPTS)!r})
from firstlevel.io import event_table
from firstlevel.plotting import figures, timeline
figures.save(timeline.draw(event_table.read_events(Path("events.tsv")), "a"), Path("events.png"))
"""


@pytest.mark.parametrize("content", RC.values(), ids=RC)
def test_settings_of_the_user_change_no_figure(tmp_path, content):
    """In the working directory, in the home folder, as styles; a backend that is none."""
    home = tmp_path / "home/.config/matplotlib"
    (home / "stylelib").mkdir(parents=True)
    for path in (tmp_path / "matplotlibrc", home / "matplotlibrc", home / "stylelib/mine.mplstyle"):
        path.write_bytes(content)
    events = tmp_path / "events.tsv"
    events.write_text("onset\tduration\ttrial_type\n1\t2\t_a$x^{\n5\t2\t\\frac{} %s\n9\t1\t{}\n")
    plot_events(events=events, figure=tmp_path / "expected.png", title="a")
    command = [sys.executable, "-c", DRAWING]
    theirs = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(home.parent), "MPLBACKEND": "nonsense"}
    theirs |= {"MPLCONFIGDIR": str(home)} if content == RC["no UTF-8"] else {}
    environment = os.environ | theirs | {"MATPLOTLIBRC": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "events.png").read_bytes() == (tmp_path / "expected.png").read_bytes()


def test_all_figures_take_matplotlib_as_it_comes():
    """None imports it but for the module that shuts the user's settings out."""
    for path in sorted([*SCRIPTS.glob("*.py"), *SCRIPTS.glob("firstlevel/**/*.py")]):
        lines = path.read_text().splitlines()
        from_it = [
            line for line in lines if line.strip().startswith(("import matplotlib", "from matplotlib"))
        ]
        assert not from_it or path.name == "drawing.py", path


def test_title_of_hundreds_of_conditions_is_shortened():
    """Its lines fit above a figure, its end is there."""
    title = "sub-01: " + " + ".join(f"'trial $x^{{ {k}'" for k in range(400))
    lines = figures.heading(title, 9).splitlines()
    assert len(lines) <= 7
    assert lines[-1].endswith("399'")


@pytest.mark.parametrize("n_colours", [1, 256, 3000])
def test_colours_of_a_file_are_those_that_pillow_finds(n_colours):
    """Of the whole picture, pixel by pixel; up to 256 colours are kept as they are."""
    rng = np.random.default_rng(n_colours)
    colours = np.append(rng.integers(0, 256, (n_colours, 3)), np.full((n_colours, 1), 255), axis=1)
    pixels = colours.astype(np.uint8)[rng.integers(0, n_colours, (90, 70))]
    found = np.asarray(figures.few_colours(pixels).convert("RGB"))
    theirs = Image.fromarray(pixels[..., :3]).quantize(
        figures.COLOURS_OF_A_FILE, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
    )
    np.testing.assert_array_equal(found, np.asarray(theirs.convert("RGB")))
    if n_colours <= figures.COLOURS_OF_A_FILE:
        np.testing.assert_array_equal(found, pixels[..., :3])


def boxes_of(figure, texts):
    renderer = figure.canvas.get_renderer()
    return [text.get_window_extent(renderer) for text in texts]


@pytest.mark.parametrize("n_regressors", [1, 2, 5, 11, 12, 13, 40, 300])
def test_numbers_and_names_of_correlations_never_overlap(n_regressors):
    """Each number stays inside its field, and no two names of an axis share a place, at any size."""
    matrix = np.random.default_rng(0).normal(size=(500, n_regressors))
    matrix[:, 1:] -= 0.9 * matrix[:, :1]  # some are negative, and wider by their sign
    picture = matrices.draw_correlation([f"regressor_{k}" for k in range(n_regressors)], matrix, "title")
    picture.canvas.draw()
    axes = picture.axes[0]
    cell = axes.get_window_extent().width / n_regressors
    assert len(axes.texts) == (n_regressors**2 if n_regressors <= matrices.MOST_WRITTEN else 0)
    assert all(box.width < cell and box.height < cell for box in boxes_of(picture, axes.texts))
    places = sorted((box.y0, box.y1) for box in boxes_of(picture, axes.get_yticklabels()))
    assert all(below[1] <= above[0] + 1 for below, above in itertools.pairwise(places))  # a pixel


def test_design_tells_modulators_from_conditions():
    """Each kind is told once and has its own colour, also below its columns."""
    kinds = ["condition", "modulator", "condition", "drift", "constant"]
    picture = matrices.draw(list("abcde"), np.eye(5), "title", kinds)
    axes = picture.axes[0]
    told = [text.get_text() for text in axes.texts][1::2]
    assert told == ["condition", "modulator", "drift", "constant"]
    colours = [line.get_color() for line in axes.lines]
    assert colours[0] == colours[2] != colours[1]
    assert colours[3] == colours[4]
