"""Label-map deformation: one scalar strength, 1.0 being that of "Echo from noise" (arXiv 2305.05424v2).

The transform is the one that the authors ran (augment_camus_labels.py of their code): torchvision's `RandomAffine`,
then torchio's `RandomElasticDeformation`, a cubic B-spline. They hand both an image of shape (1, H, W), so that the
first axis of the elastic grid is the single voxel's: the image sees the middle of that grid. What is kept of a
deformation is its parameters; the dense displacement field is computed from them when somebody needs it, to warp an
image, say. Any other smooth displacement field is kept in the same form, by control points that lie closer together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline

REPEATS = 5
"""Deformed maps per frame in the paper."""

VERSION = "0.2"
"""Of the random deformation; files of deformed maps name it beside the strength. Since 0.2 it is the published
one; that of 0.1 had 10 × 10 control points in the image's plane and shifted along both axes."""

CONTROL_POINTS = (10, 4)  # rows, columns
LAYERS = np.array([1, 23, 23, 1]) / 48
"""Weights of the four layers of control points around the single voxel, in the middle of the published grid of
10 × 10 × 4: the cubic B-spline half-way between two of them."""
FIELD_CONTROL_POINTS = 67  # per axis, of a field that is handed in: 4 pixels apart in an image of 256
LOCKED_ROWS = 1  # outermost rows of control points, held at zero; torchio locks no column of a grid of this shape
ORDER = 3  # cubic
MARGIN_PX = 0.125
"""How far ITK lets the spline's domain reach beyond the outermost pixels' edges."""

# The ranges at strength 1.
ROTATION_DEGREES = 5.0
SHEAR_DEGREES = 5.0  # of columns along rows' direction (x shear), as torchvision reads a single number
TRANSLATION = 0.05  # of the image's height, along rows alone: torchvision reads (0, 0.05) as (across, down)
SCALE = (0.8, 1.05)
ELASTIC = 30.0 / 256.0  # largest displacement of a control point, in image sides


@dataclass(frozen=True, eq=False)
class Deformation:
    """Parameters of N deformations, in units of the image's sides, so that they fit any size.

    affine: (N, 2, 3) float64, the pull-back in centred (row, column) coordinates where the sides are 1: an
        output position x takes its label from affine[:, :2] @ x + affine[:, 2].
    control: (N, 2, P, Q) float64, displacements (row, column) of the B-spline's control points, `CONTROL_POINTS`
        where they are drawn at random; the elastic field is applied in output space, before the affine pull-back.
    seed: (N,) int64. strength: (N,) float64.
    """

    affine: NDArray[np.float64]
    control: NDArray[np.float64]
    seed: NDArray[np.int64]
    strength: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.affine)

    def select(self, index: NDArray[np.bool_] | NDArray[np.intp] | slice) -> "Deformation":
        """The rows that a numpy index picks."""
        return Deformation(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def positions(self, i: int, size: tuple[int, int]) -> NDArray[np.float32]:
        """Where deformation i takes each output pixel from: (2, H, W), in (row, column) pixels of the source."""
        height, width = size
        sides = np.array(size, dtype=np.float64)[:, None, None]
        rows, columns = _basis(height, self.control.shape[2]), _basis(width, self.control.shape[3])
        elastic = np.stack([rows @ control @ columns.T for control in self.control[i]])
        centred = (_pixel_grid(size) + 0.5) / sides - 0.5 + elastic
        source = np.tensordot(self.affine[i, :, :2], centred, axes=1) + self.affine[i, :, 2, None, None]
        return ((source + 0.5) * sides - 0.5).astype(np.float32)

    def displacement(self, i: int, size: tuple[int, int]) -> NDArray[np.float32]:
        """The displacement field of deformation i: (2, H, W), source minus output position, in pixels."""
        return self.positions(i, size) - _pixel_grid(size).astype(np.float32)


def identity(n: int) -> Deformation:
    """N deformations that leave everything as it is."""
    return Deformation(
        affine=np.tile(np.eye(2, 3), (n, 1, 1)),
        control=np.zeros((n, 2, *CONTROL_POINTS)),
        seed=np.zeros(n, dtype=np.int64),
        strength=np.zeros(n),
    )


def random_deformation(seeds: NDArray[np.int64], strength: float) -> Deformation:
    """One deformation per seed. strength >= 0 scales every range; 0 is the identity, 1 the paper's."""
    if not strength >= 0:
        raise ValueError(f"strength must be at least 0, got {strength}")
    drawn = [_draw(np.random.default_rng(int(seed)), strength) for seed in seeds]
    return Deformation(
        affine=np.array([affine for affine, _ in drawn]).reshape(-1, 2, 3),
        control=np.array([control for _, control in drawn]).reshape(-1, 2, *CONTROL_POINTS),
        seed=np.asarray(seeds, dtype=np.int64),
        strength=np.full(len(seeds), float(strength)),
    )


def field_deformation(
    displacement: NDArray[np.float32], seeds: NDArray[np.int64], strength: NDArray[np.float64]
) -> Deformation:
    """Deformations of given displacement fields (N, 2, H, W): source minus output position, in pixels.

    Each is kept as the B-spline nearest to it in the least squares; details finer than the distance of two control
    points are lost. seeds, strength: (N,), noted as they are.
    """
    n, _, height, width = displacement.shape
    rows, columns = _fit(height, FIELD_CONTROL_POINTS), _fit(width, FIELD_CONTROL_POINTS)
    in_sides = displacement / np.array([height, width], dtype=np.float64)[:, None, None]
    return Deformation(np.tile(np.eye(2, 3), (n, 1, 1)), rows @ in_sides @ columns.T, seeds, strength)


def join(parts: Sequence[Deformation]) -> Deformation:
    """All deformations of `parts`, in order. They must share one number of control points."""
    return Deformation(
        **{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Deformation)}
    )


def pull_labels(labels: NDArray[np.uint8], positions: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Labels (H, W) at the given positions (2, H, W): nearest neighbour, background from beyond the border."""
    # Departs from the paper [maps.resampling]: affine map and elastic field are one, so that nothing is rounded twice.
    height, width = labels.shape
    row, column = np.rint(positions).astype(np.intp)
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    pulled = labels[row.clip(0, height - 1), column.clip(0, width - 1)]
    return np.where(inside, pulled, np.uint8(0))


def _draw(rng: np.random.Generator, strength: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Affine pull-back (2, 3) and control points (2, *CONTROL_POINTS) of one deformation."""
    angle, shear = np.deg2rad(strength * rng.uniform(-1, 1, 2) * (ROTATION_DEGREES, SHEAR_DEGREES))
    shift = np.array([strength * TRANSLATION * rng.uniform(-1, 1), 0.0])
    # At high strengths the lower bound would reach zero and below.
    scale = max(1 + strength * (rng.uniform(*SCALE) - 1), 0.1)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    forward = scale * rotation @ np.array([[1.0, 0.0], [np.tan(shear), 1.0]])
    inverse = np.linalg.inv(forward)
    layers = rng.uniform(-1, 1, (len(LAYERS), 2, *CONTROL_POINTS))
    control = strength * ELASTIC * np.tensordot(LAYERS, layers, axes=1)
    control[:, :LOCKED_ROWS] = control[:, -LOCKED_ROWS:] = 0
    return np.column_stack([inverse, -inverse @ shift]), control


@lru_cache(maxsize=8)
def _basis(side: int, points: int) -> NDArray[np.float64]:
    """Uniform cubic B-spline basis at the pixel centres of one axis: (side, points), rows summing to 1."""
    cells = points - ORDER
    knots = np.arange(-ORDER, points + 1) / cells
    centres = (np.arange(side) + 0.5 + MARGIN_PX) / (side + 2 * MARGIN_PX)
    basis = BSpline.design_matrix(centres, knots, ORDER).toarray()
    basis.setflags(write=False)
    return basis


@lru_cache(maxsize=8)
def _fit(side: int, points: int) -> NDArray[np.float64]:
    """Control points of the spline nearest to values at the pixel centres of one axis: (points, side)."""
    fit: NDArray[np.float64] = np.linalg.pinv(_basis(side, points)).astype(np.float64)
    fit.setflags(write=False)
    return fit


@lru_cache(maxsize=8)
def _pixel_grid(size: tuple[int, int]) -> NDArray[np.float64]:
    """Row and column of every pixel: (2, H, W)."""
    grid = np.indices(size, dtype=np.float64)
    grid.setflags(write=False)
    return grid
