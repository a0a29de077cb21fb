"""The phantom: anatomy that agrees with itself, images that stay in their sector, files that any reader finds."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray
from scipy.ndimage import label as components

from echobench.data.base.errors import EchobenchError
from echobench.data.base.files import locked
from echobench.data.frames import PHASES, VIEWS
from echobench.data.labels import Label
from echobench.data.phantom import dataset
from echobench.data.phantom.dataset import PhantomPatient, phantom_patient, write_phantom
from echobench.data.phantom.heart import draw_heart
from echobench.data.phantom.scanner import DEFAULT_SCANNER, Scanner, draw_acquisition

SEED = 7
SIZE = 96


@pytest.fixture(scope="module")
def patients() -> list[PhantomPatient]:
    return [phantom_patient(SEED, number, SIZE) for number in range(1, 25)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("cache") / "phantom", patients=5, seed=SEED, size=SIZE)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _area_length_volume(labels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> float:
    """V = 8 A² / (3 π L) with L the cavity's extent along its own long axis."""
    cavity = np.argwhere(labels == Label.LV_ENDO) * spacing_mm
    centred = cavity - cavity.mean(axis=0)
    axis = np.linalg.eigh(np.cov(centred.T))[1][:, -1]
    area = len(cavity) * spacing_mm[0] * spacing_mm[1]
    return float(8 * area**2 / (3 * np.pi * np.ptp(centred @ axis)))


def test_a_patient_is_a_function_of_seed_and_number() -> None:
    first, again = phantom_patient(SEED, 3, SIZE), phantom_patient(SEED, 3, SIZE)
    other_seed, other_number = phantom_patient(SEED + 1, 3, SIZE), phantom_patient(SEED, 4, SIZE)
    for one, two in zip(first.frames, again.frames, strict=True):
        assert np.array_equal(one.image, two.image)
        assert np.array_equal(one.labels, two.labels)
    assert first.heart == again.heart
    assert not np.array_equal(first.frames[0].image, other_seed.frames[0].image)
    assert not np.array_equal(first.frames[0].image, other_number.frames[0].image)


def test_files_do_not_depend_on_how_many_patients_are_written(written: Path, tmp_path: Path) -> None:
    fewer = write_phantom(tmp_path / "phantom", patients=3, seed=SEED, size=SIZE)
    for name in ("patient0001", "patient0003"):
        assert _bytes(fewer / "database_nifti" / name) == _bytes(written / "database_nifti" / name)


def test_frames_are_both_views_at_both_phases(patients: list[PhantomPatient]) -> None:
    for patient in patients:
        assert [(f.view, f.phase) for f in patient.frames] == [(v, p) for v in VIEWS for p in PHASES]
        for frame in patient.frames:
            assert frame.image.shape == frame.labels.shape == (SIZE, SIZE)
            assert frame.image.dtype == frame.labels.dtype == np.uint8
            assert set(np.unique(frame.labels)) == set(Label)


def test_drawn_volumes_give_the_ejection_fraction(patients: list[PhantomPatient]) -> None:
    # The contours' regional motion is what separates a single plane from the patient's fraction.
    for patient in patients:
        for view in VIEWS:
            end_diastole, end_systole = (patient.heart.section(view, phase).volume_ml() for phase in PHASES)
            assert 1 - end_systole / end_diastole == pytest.approx(patient.heart.ejection_fraction, abs=0.06)


def test_label_maps_give_the_ejection_fraction_as_an_observer_would(patients: list[PhantomPatient]) -> None:
    # Tracing errors at ED and ES are independent and the area enters squared: about 10 points for one view, the
    # spread that single-plane readings have in practice, and no bias to speak of.
    errors = []
    for patient in patients:
        for view in VIEWS:
            volumes = {f.phase: _area_length_volume(f.labels, f.spacing_mm) for f in patient.frames if f.view == view}
            errors.append(1 - volumes["ES"] / volumes["ED"] - patient.heart.ejection_fraction)
    assert abs(np.mean(errors)) < 0.05
    assert np.std(errors) < 0.13


def test_ejection_fractions_spread_like_a_clinic() -> None:
    fractions = [draw_heart(np.random.default_rng([SEED, n])).ejection_fraction for n in range(300)]
    assert np.mean(fractions) == pytest.approx(0.53, abs=0.02)
    assert np.std(fractions) == pytest.approx(0.11, abs=0.02)
    assert min(fractions) >= 0.2 and max(fractions) <= 0.75


def test_the_cavity_is_larger_at_end_diastole_and_the_atrium_at_end_systole(patients: list[PhantomPatient]) -> None:
    for patient in patients:
        for view in VIEWS:
            end_diastole, end_systole = (patient.heart.section(view, phase) for phase in PHASES)
            assert end_systole.length_mm < end_diastole.length_mm
            assert end_systole.wall_mm > end_diastole.wall_mm
            assert end_systole.atrium_length_mm > end_diastole.atrium_length_mm
            areas = [np.sum(f.labels == Label.LV_ENDO) for f in patient.frames if f.view == view]
            assert areas[0] > areas[1]


def test_both_views_cut_the_same_long_axis(patients: list[PhantomPatient]) -> None:
    for patient in patients:
        for phase in PHASES:
            two, four = (patient.heart.section(view, phase) for view in VIEWS)
            assert two.length_mm == four.length_mm
            assert two.right is None and four.right is not None


def test_the_wall_wraps_one_cavity_and_opens_to_the_atrium(patients: list[PhantomPatient]) -> None:
    for frame in (frame for patient in patients for frame in patient.frames):
        cavity, wall, atrium = (frame.labels == code for code in (Label.LV_ENDO, Label.LV_MYO, Label.LA))
        assert components(cavity)[1] == 1
        rows, columns = np.nonzero(cavity)
        for row in range(rows.min(), int(np.quantile(rows, 0.9))):
            inside = columns[rows == row]
            if inside.min() > 1 and inside.max() < SIZE - 2:
                assert wall[row, : inside.min()].any() and wall[row, inside.max() + 1 :].any()
        assert wall[: rows.min() + 1].any()
        assert np.nonzero(atrium)[0].mean() > rows.mean()
        assert np.median(np.nonzero(atrium)[0]) > np.quantile(rows, 0.9)


def test_outside_the_sector_is_black_and_inside_is_not(patients: list[PhantomPatient]) -> None:
    for frame in (frame for patient in patients for frame in patient.frames):
        row_mm, _ = frame.spacing_mm
        seen = frame.image > 0
        # Each row's echoes are one run without holes, and the lower corners lie below the arc.
        assert np.all(np.abs(np.diff(seen.astype(int), axis=1)).sum(axis=1) <= 2)
        assert components(seen)[1] == 1
        assert not seen[0, : SIZE // 3].any() and not seen[-1, : SIZE // 4].any()
        assert 0.4 < seen.mean() < 0.85
        assert 95 <= row_mm * SIZE <= 200


def test_positions_are_pixel_centres_below_the_probe() -> None:
    acquisition = draw_acquisition(np.random.default_rng(0), DEFAULT_SCANNER, reach_mm=150.0)
    x_mm, y_mm = acquisition.positions_mm(SIZE)
    row_mm, column_mm = acquisition.spacing_mm(SIZE)
    assert np.allclose(x_mm, -x_mm[:, ::-1], atol=1e-4)
    assert np.allclose(np.diff(y_mm, axis=0), row_mm, atol=1e-4)
    assert np.allclose(np.diff(x_mm, axis=1), column_mm, atol=1e-4)
    assert y_mm[0, 0] == pytest.approx(row_mm / 2)


def test_cavities_are_darker_than_walls(patients: list[PhantomPatient]) -> None:
    frames = [frame for patient in patients for frame in patient.frames]
    cavity = np.mean([f.image[(f.labels == Label.LV_ENDO) & (f.image > 0)].mean() for f in frames])
    wall = np.mean([f.image[(f.labels == Label.LV_MYO) & (f.image > 0)].mean() for f in frames])
    assert 40 < cavity < 90
    assert wall > cavity + 20


def test_layout_is_that_of_camus(written: Path) -> None:
    patient = phantom_patient(SEED, 2, SIZE)
    folder = written / "database_nifti" / "patient0002"
    for frame in patient.frames:
        for suffix, pixels in (("", frame.image), ("_gt", frame.labels)):
            image = SimpleITK.ReadImage(str(folder / f"patient0002_{frame.view}H_{frame.phase}{suffix}.nii.gz"))
            assert image.GetPixelID() == SimpleITK.sitkUInt8
            assert image.GetSpacing() == pytest.approx(frame.spacing_mm[::-1], abs=1e-5)
            assert np.array_equal(SimpleITK.GetArrayFromImage(image), pixels)
    for view in VIEWS:
        info = dict(line.split(": ") for line in (folder / f"Info_{view}H.cfg").read_text().splitlines())
        assert list(info) == ["ED", "ES", "NbFrame", "Sex", "Age", "ImageQuality", "EF", "FrameRate"]
        assert float(info["EF"]) == pytest.approx(100 * patient.heart.ejection_fraction, abs=0.5)
        assert info["ImageQuality"] in {"Good", "Medium", "Poor"}
    split = {s: (written / "database_split" / f"subgroup_{s}.txt").read_text().split() for s in dataset.SUBGROUPS}
    assert [len(split[s]) for s in dataset.SUBGROUPS] == [3, 1, 1]
    assert [name for names in split.values() for name in names] == [f"patient{n:04d}" for n in range(1, 6)]


def test_a_complete_folder_is_not_written_again(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "_write_patient", _failing_after(0))
    assert write_phantom(written, patients=5, seed=SEED, size=SIZE) == written


def test_a_folder_with_something_else_is_refused(written: Path) -> None:
    with pytest.raises(EchobenchError, match="not the phantom asked for"):
        write_phantom(written, patients=5, seed=SEED + 1, size=SIZE)


@pytest.mark.parametrize(("patients", "split"), [(2, (0.8, 0.1, 0.1)), (4, (0.0, 0.5, 0.5)), (5, (0.9, 0.2, 0.1))])
def test_an_impossible_split_is_refused(patients: int, split: tuple[float, float, float], tmp_path: Path) -> None:
    with pytest.raises(EchobenchError, match="split"):
        write_phantom(tmp_path / "phantom", patients, SEED, SIZE, split)


def test_an_interrupted_call_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "_write_patient", _failing_after(1))
    with pytest.raises(KeyboardInterrupt):
        write_phantom(tmp_path / "phantom", patients=5, seed=SEED, size=SIZE)
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_goes_and_what_another_process_writes_is_waited_for(tmp_path: Path) -> None:
    folder, left = tmp_path / "ph [1]", tmp_path / ".ph [1]-abandoned"
    for _ in ("to be written", "complete"):
        (left / "half").mkdir(parents=True)
        write_phantom(folder, patients=3, seed=SEED, size=SIZE)
        assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    shutil.rmtree(folder)
    writer = threading.Thread(target=write_phantom, args=(folder, 3, SEED, SIZE))
    with locked(tmp_path, file=f".{folder.name}.lock"):
        writer.start()
        writer.join(0.3)
        assert writer.is_alive() and not folder.exists()
    writer.join(60)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def _failing_after(count: int) -> Callable[..., None]:
    """A `_write_patient` that is interrupted at patient count + 1."""
    original = dataset._write_patient

    def write(database: Path, seed: int, number: int, size: int, scanner: Scanner) -> None:
        if number > count:
            raise KeyboardInterrupt
        original(database, seed, number, size, scanner)

    return write
