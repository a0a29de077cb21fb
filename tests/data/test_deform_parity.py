"""The deformation at strength 1 beside what the authors of "Echo from noise" ran: torchvision's, then torchio's."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from torchio import RandomElasticDeformation
from torchio.data.io import nib_to_sitk
from torchio.transforms.augmentation.spatial.random_elastic_deformation import ElasticDeformation
from torchvision.transforms import InterpolationMode, RandomAffine, functional

from echobench.data.deform import CONTROL_POINTS, LAYERS, identity, pull_labels, random_deformation
from echobench.data.labels import Label
from echobench.data.phantom.dataset import phantom_patient

SIZE = (256, 256)
FIELDS = 200
MAX_PX = (0, 30, 30)
POINTS = (10, 10, 4)

pytestmark = pytest.mark.filterwarnings("ignore:The maximum displacement is larger")


def published_control() -> np.ndarray:
    """Control points that torchio draws: (10, 10, 4, 3), in pixels, axes of the grid in the order of the image's."""
    elastic = RandomElasticDeformation(num_control_points=POINTS, locked_borders=1, max_displacement=MAX_PX)
    return elastic.get_params(elastic.num_control_points, elastic.max_displacement, elastic.num_locked_borders)


def published_field(control: np.ndarray) -> np.ndarray:
    """What torchio's transform does to an image of shape (1, *SIZE): displacement (2, H, W) in pixels."""
    image = nib_to_sitk(torch.zeros(1, 1, *SIZE), np.eye(4), force_3d=True)
    filtered = sitk.TransformToDisplacementFieldFilter()
    filtered.SetReferenceImage(image)
    transform = ElasticDeformation(control, MAX_PX).get_bspline_transform(image)
    columns_rows = sitk.GetArrayFromImage(filtered.Execute(transform))[:, :, 0]  # (W, H, 3), millimetres of 1 pixel
    return np.stack([-columns_rows[..., 1].T, columns_rows[..., 2].T])  # ITK's second axis runs against the rows


def our_field(control: np.ndarray) -> np.ndarray:
    """Displacement (2, H, W) in pixels of control points (2, *CONTROL_POINTS) in image sides."""
    return replace(identity(1), control=control[None]).displacement(0, SIZE)


def test_the_field_of_given_control_points_is_torchios():
    torch.manual_seed(0)
    control = published_control()
    # The four layers around the single voxel; ITK counts rows from below.
    rows, columns = np.moveaxis(np.tensordot(LAYERS, control[3:7, ::-1], axes=1), -1, 0)[1:]
    ours = our_field(np.stack([-rows, columns]) / np.array(SIZE)[:, None, None])
    theirs = published_field(control)
    assert np.abs(theirs).max() > 5
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def figures(field: np.ndarray) -> dict[str, float | np.ndarray]:
    """Of one field (2, H, W): squares of displacement and of its gradients, by axis, and the Jacobian of the map."""
    along_rows, along_columns = np.gradient(field, axis=(1, 2))
    jacobian = (1 + along_rows[0]) * (1 + along_columns[1]) - along_rows[1] * along_columns[0]
    return {
        "rows": np.square(field[0]).mean(), "columns": np.square(field[1]).mean(),
        "gradient along rows": np.square(along_rows).mean(), "gradient along columns": np.square(along_columns).mean(),
        "jacobian": jacobian[::4, ::4].ravel(),
    }  # fmt: skip


def summary(fields: list[np.ndarray]) -> dict[str, float]:
    """Root mean squares over all fields, and the percentiles of the Jacobian."""
    found = [figures(field) for field in fields]
    rms = {name: float(np.sqrt(np.mean([one[name] for one in found]))) for name in found[0] if name != "jacobian"}
    low, high = np.percentile(np.concatenate([one["jacobian"] for one in found]), (1, 99))
    return rms | {"jacobian 1 %": float(low), "jacobian 99 %": float(high)}


def test_elastic_fields_are_distributed_as_torchios():
    torch.manual_seed(1)
    theirs = summary([published_field(published_control()) for _ in range(FIELDS)])
    ours = summary([our_field(control) for control in random_deformation(np.arange(FIELDS), 1.0).control])
    assert ours == pytest.approx(theirs, rel=0.05)


def dice(one: np.ndarray, other: np.ndarray, labels: list[Label]) -> float:
    first, second = np.isin(one, labels), np.isin(other, labels)
    return 2 * float((first & second).sum()) / float(first.sum() + second.sum())


def test_a_deformed_map_is_as_far_from_itself_as_the_authors():
    labels = next(frame.labels for frame in phantom_patient(0, 1).frames if (frame.view, frame.phase) == ("4C", "ED"))
    regions = {"endo": [Label.LV_ENDO], "epi": [Label.LV_ENDO, Label.LV_MYO], "LA": [Label.LA]}
    torch.manual_seed(2)
    affine = RandomAffine(degrees=(-5, 5), translate=(0, 0.05), scale=(0.8, 1.05), shear=5)
    volume = torch.tensor(labels[None, None].astype(np.float32))
    theirs, ours = [], []
    for i in range(FIELDS):
        parameters = affine.get_params(affine.degrees, affine.translate, affine.scale, affine.shear, list(SIZE[::-1]))
        moved = functional.affine(volume, *parameters, interpolation=InterpolationMode.NEAREST)
        elastic = ElasticDeformation(published_control(), MAX_PX, image_interpolation="nearest")
        theirs.append(elastic.apply_bspline_transform(moved, np.eye(4), "nearest")[0, 0].numpy())
        ours.append(pull_labels(labels, random_deformation(np.array([i]), 1.0).positions(0, SIZE)))
    for name, region in regions.items():
        own, published = (np.mean([dice(labels, drawn, region) for drawn in maps]) for maps in (ours, theirs))
        assert own == pytest.approx(published, rel=0.05), name


def test_the_grid_is_the_published_one_seen_by_the_single_voxel():
    assert POINTS[1:] == CONTROL_POINTS
    assert sum(LAYERS) == pytest.approx(1)
