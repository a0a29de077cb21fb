"""The EchoNet-Dynamic reader and writer: the format's quirks, what is refused or skipped, and the cache."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.echonet import reading
from echobench.data.datasets.echonet.reading import read_echonet
from echobench.data.datasets.echonet.videos import cavity
from echobench.data.datasets.echonet.writing import FILE_LIST, TRACINGS, VIDEOS, Video, tracing, write_echonet
from echobench.data.labels import Label

SIZE = 112
ED, ES, COUNT = 2, 5, 8
FIRST, SECOND, THIRD = "0X1A", "0X2B", "0X3C"


def ellipse(half_height: float, tilt_degrees: float = 10, half_width: float | None = None) -> np.ndarray:
    """A mask (SIZE, SIZE) around (50, 56), upright but for the tilt."""
    row, column = np.indices((SIZE, SIZE))
    c, s = np.cos(np.deg2rad(tilt_degrees)), np.sin(np.deg2rad(tilt_degrees))
    down, right = (row - 50) * c + (column - 56) * s, (column - 56) * c - (row - 50) * s
    return (down / half_height) ** 2 + (right / (half_width or half_height / 2)) ** 2 <= 1


def toy_video(name: str, split: str = "TEST", *, ed: int = ED, es: int = ES, traced: bool = True) -> Video:
    """Speckle whose mean is 20 + 20 · frame."""
    rng = np.random.default_rng(list(name.encode()))
    speckle = rng.integers(-15, 16, (COUNT, SIZE // 4, SIZE // 4)).repeat(4, axis=1).repeat(4, axis=2)
    frames = (20 + 20 * np.arange(COUNT)[:, None, None] + speckle).astype(np.uint8)
    tracings = {ed: tracing(ellipse(32)), es: tracing(ellipse(24))}
    return Video(name, frames, 50, split, tracings if traced else {}, ef=60.5, esv=40.25, edv=101.5)


def frame_shown(image: np.ndarray) -> int:
    return round((float(image.mean()) - 20) / 20)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def write_toy(folder: Path) -> Path:
    """Three test videos, written last name first, and one for training and for validation."""
    videos = [toy_video(name) for name in (THIRD, SECOND, FIRST)]
    return write_echonet(folder, [*videos, toy_video("0X4D", "TRAIN"), toy_video("0X5E", "VAL")])


@pytest.fixture(scope="module")
def written_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("echonet") / "written")


@pytest.fixture
def folder(written_once: Path, tmp_path: Path) -> Path:
    """A copy of `written_once`, to be spoilt."""
    return shutil.copytree(written_once, tmp_path / "echonet")


def change(path: Path, edit) -> None:
    """Rewrite a table as `edit` gives it back, or changes it in place."""
    table = pd.read_csv(path)
    edited = edit(table)
    (table if edited is None else edited).to_csv(path, index=False)


def avi(folder: Path, name: str = SECOND) -> Path:
    return folder / VIDEOS / f"{name}.avi"


def test_the_tables_are_as_published(folder):
    files, traces = pd.read_csv(folder / FILE_LIST), pd.read_csv(folder / TRACINGS)
    assert ",".join(files) == "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split"
    assert files.iloc[0].tolist() == [THIRD, 60.5, 40.25, 101.5, SIZE, SIZE, 50, COUNT, "TEST"]
    assert ",".join(traces) == "FileName,X1,Y1,X2,Y2,Frame"
    assert set(traces["FileName"]) == {f"{name}.avi" for name in files["FileName"]}
    assert set(traces.groupby(["FileName", "Frame"]).size()) == {21}


def test_the_two_traced_frames_come_back(folder):
    data = read_echonet(folder)
    frames = data.frames
    assert frames.patient.tolist() == [FIRST, FIRST, SECOND, SECOND, THIRD, THIRD]
    assert frames.phase.tolist() == ["ED", "ES"] * 3
    assert set(frames.view) == {"4C"}
    assert set(frames.source) == {"echonet"}
    assert [frame_shown(image) for image in frames.images] == [ED, ES] * 3  # counted from 0
    written = toy_video(FIRST).frames
    assert np.abs(frames.images[0].astype(int) - written[ED]).mean() < 3  # what motion JPEG costs
    for labels, mask in zip(frames.labels, [ellipse(32), ellipse(24)] * 3, strict=True):
        assert dice(labels == Label.LV_ENDO, mask) > 0.97
    assert set(np.unique(frames.labels)) == {Label.BACKGROUND, Label.LV_ENDO}
    assert np.isnan(frames.spacing_mm).all()
    assert frames.sector.all()
    stated = data.clinical.dropna(axis=1).to_dict("index")
    assert stated == {name: {"ef_percent": 60.5, "edv_ml": 101.5, "esv_ml": 40.25} for name in (FIRST, SECOND, THIRD)}
    assert data.regions == ("LVendo",)
    assert not data.skipped


@pytest.mark.parametrize("listed", ["", ".avi"])
@pytest.mark.parametrize("traced", ["", ".avi"])
def test_either_table_may_name_a_video_with_its_suffix(folder, listed, traced):
    expected = read_echonet(folder).frames.fingerprint()
    for table, suffix in ((FILE_LIST, listed), (TRACINGS, traced)):
        change(folder / table, lambda t, s=suffix: t.assign(FileName=t["FileName"].str.removesuffix(".avi") + s))
    assert read_echonet(folder).frames.fingerprint() == expected


def test_subsets_are_those_of_the_upper_case_splits(folder):
    videos = {s: set(read_echonet(folder, subset=s).frames.patient) for s in ("training", "validation", "testing")}
    assert videos == {"training": {"0X4D"}, "validation": {"0X5E"}, "testing": {FIRST, SECOND, THIRD}}
    assert set(read_echonet(folder, subset=None).frames.patient) == set.union(*videos.values())


def test_rows_may_stand_in_any_order(folder):
    expected = read_echonet(folder).frames.fingerprint()
    change(folder / FILE_LIST, lambda t: t.sample(frac=1, random_state=1))

    def interleaved(table):
        row = table.groupby(["FileName", "Frame"]).cumcount()
        return table.iloc[np.lexsort((-table["Frame"], row))]

    change(folder / TRACINGS, interleaved)
    assert read_echonet(folder).frames.fingerprint() == expected


def test_end_diastole_is_the_larger_area_not_the_first_frame(tmp_path):
    frames = read_echonet(write_echonet(tmp_path, [toy_video(FIRST, ed=6, es=1)])).frames
    assert frames.phase.tolist() == ["ED", "ES"]
    assert [frame_shown(image) for image in frames.images] == [6, 1]
    assert (frames.labels[0] > 0).sum() > (frames.labels[1] > 0).sum()


def test_a_video_without_traces_is_left_out_and_counted(tmp_path):
    data = read_echonet(write_echonet(tmp_path, [toy_video(FIRST), toy_video(SECOND, traced=False)]))
    assert set(data.frames.patient) == {FIRST}
    assert data.clinical.index.tolist() == [FIRST]
    assert not data.skipped


def test_a_traced_video_without_a_row_is_left_out(folder):
    change(folder / FILE_LIST, lambda t: t[t["FileName"] != SECOND])
    data = read_echonet(folder, subset=None)
    assert SECOND not in data.frames.patient
    assert not data.skipped


@pytest.mark.parametrize("chords", [10, 33])
def test_a_trace_may_have_other_than_21_rows(tmp_path, chords):
    trace = tracing(ellipse(32))
    rows = np.concatenate([[0], 1 + np.linspace(0, 19, chords).round().astype(int)])
    video = toy_video(FIRST)
    folder = write_echonet(tmp_path, [replace(video, tracings={**video.tracings, ED: trace[rows]})])
    assert dice(read_echonet(folder).frames.labels[0] > 0, ellipse(32)) > 0.95


def test_a_colour_marker_becomes_grey(tmp_path):
    video = toy_video(FIRST)
    colour = np.repeat(video.frames[..., None], 3, axis=3)
    colour[:, 16:32, 16:32] = (0, 0, 255)
    image = read_echonet(write_echonet(tmp_path, [replace(video, frames=colour)])).frames.images[0]
    assert image[20:28, 20:28].mean() == pytest.approx(0.114 * 255, abs=4)  # the luma of blue
    assert image[20:28, 60:68].mean() == pytest.approx(video.frames[ED, 20:28, 60:68].mean(), abs=4)


def retrace(folder: Path, edit) -> None:
    """Rewrite the rows of the second video in VolumeTracings.csv as `edit` gives them back."""

    def edited(table):
        own = table["FileName"] == f"{SECOND}.avi"
        return pd.concat([table[~own], edit(table[own])])

    change(folder / TRACINGS, edited)


def beyond(folder: Path) -> None:
    retrace(folder, lambda t: t.replace({"Frame": {ES: COUNT}}))


def outside(folder: Path) -> None:
    retrace(folder, lambda t: t.assign(X2=t["X2"] + 60))


def one_frame(folder: Path) -> None:
    retrace(folder, lambda t: t[t["Frame"] == ED])


def three_frames(folder: Path) -> None:
    retrace(folder, lambda t: pd.concat([t, t[t["Frame"] == ES].assign(Frame=7)]))


def only_the_axis(folder: Path) -> None:
    retrace(folder, lambda t: t.drop_duplicates("Frame"))


def truncate(folder: Path, share: float = 0.6) -> None:
    content = avi(folder).read_bytes()
    avi(folder).write_bytes(content[: int(share * len(content))])


def overwrite(folder: Path) -> None:
    """Zeros in the middle: an unforgiving decoder notices, an ordinary one shows half a picture."""
    content = bytearray(avi(folder).read_bytes())
    second = [i for i in range(len(content)) if content.startswith(b"00dc", i)][ED]
    content[second + 700 : second + 1000] = bytes(300)
    avi(folder).write_bytes(content)


def recode(folder: Path, old: bytes, new: bytes) -> None:
    avi(folder).write_bytes(avi(folder).read_bytes().replace(old, new))


def other_size(folder: Path) -> None:
    video = toy_video(SECOND)
    write_echonet(folder / "other", [replace(video, frames=video.frames[:, :96])])
    (folder / "other" / VIDEOS / f"{SECOND}.avi").replace(avi(folder))


BROKEN = [
    pytest.param(truncate, "truncated", id="truncated"),
    pytest.param(lambda f: truncate(f, 0.05), "truncated", id="truncated-header"),
    pytest.param(overwrite, "damaged", id="damaged"),
    pytest.param(lambda f: avi(f).write_bytes(b"hello"), "cannot be decoded", id="not-a-video"),
    pytest.param(lambda f: recode(f, b"vids", b"auds"), "cannot be decoded", id="no-video"),
    pytest.param(lambda f: recode(f, b"MJPG", b"ZZZZ"), "cannot be decoded", id="unknown-kind"),
    pytest.param(lambda f: avi(f).unlink(), "there is no Videos/0X2B.avi, which FileList.csv lists", id="not-there"),
    pytest.param(other_size, "96×112 pixels, most videos are 112×112", id="size"),
    pytest.param(beyond, "frame 8 of 0X2B, which ends with 7", id="beyond-the-video"),
    pytest.param(outside, "a trace of 0X2B, frame 2, outside of 112×112 pixels", id="outside-the-frame"),
    pytest.param(only_the_axis, "a trace of 0X2B, frame 2, that encloses nothing", id="no-chords"),
    pytest.param(one_frame, "has 1 traced frames of 0X2B", id="one-frame"),
    pytest.param(three_frames, "has 3 traced frames of 0X2B", id="three-frames"),
]


@pytest.mark.parametrize(("damage", "sentence"), BROKEN)
def test_a_broken_video_is_named_or_skipped_when_asked(folder, damage, sentence):
    damage(folder)
    with pytest.raises(EchobenchError, match=sentence):
        read_echonet(folder)
    for _ in range(2):  # decoded, then from the cache
        data = read_echonet(folder, skip_broken=True)
        assert data.frames.patient.tolist() == [FIRST, FIRST, THIRD, THIRD]
        assert data.clinical.index.tolist() == [FIRST, THIRD]
        assert len(data.skipped) == 1
        assert SECOND in data.skipped[0]
        assert str(folder) not in data.skipped[0]  # it is kept in records
    with pytest.raises(EchobenchError, match=sentence):
        read_echonet(folder)


def without(table: str, column: str):
    return lambda folder: change(folder / table, lambda t: t.drop(columns=column))


def with_split(split: str):
    return lambda folder: change(folder / FILE_LIST, lambda t: t.assign(Split=split))


def text_for_a_number(folder: Path) -> None:
    path = folder / TRACINGS
    path.write_text(path.read_text().replace(".avi,", ".avi,left", 1))


def listed_twice(folder: Path) -> None:
    change(folder / FILE_LIST, lambda t: pd.concat([t, t[:1]]))


BROKEN_TABLES = [
    pytest.param(without(FILE_LIST, "Split"), "FileList.csv has no column Split", id="column"),
    pytest.param(without(TRACINGS, "Frame"), "VolumeTracings.csv has no column Frame", id="trace-column"),
    pytest.param(text_for_a_number, "VolumeTracings.csv cannot be read: .*left", id="text"),
    pytest.param(with_split("HOLDOUT"), "the split HOLDOUT; known: TRAIN, VAL, TEST", id="split"),
    pytest.param(listed_twice, "lists 0X3C twice", id="twice"),
    pytest.param(lambda f: (f / TRACINGS).unlink(), "there is no .*VolumeTracings.csv; expected", id="no-table"),
    pytest.param(lambda f: (f / TRACINGS).write_text(""), "VolumeTracings.csv cannot be read", id="empty-table"),
    pytest.param(with_split("TRAIN"), "no traced testing video", id="no-test-video"),
]


@pytest.mark.parametrize(("damage", "sentence"), BROKEN_TABLES)
def test_a_broken_table_is_refused_whatever_is_asked(folder, damage, sentence):
    damage(folder)
    with pytest.raises(EchobenchError, match=sentence):
        read_echonet(folder, skip_broken=True)


def test_where_every_video_is_broken_there_is_nothing_to_read(folder):
    for name in (FIRST, SECOND, THIRD):
        avi(folder, name).unlink()
    with pytest.raises(EchobenchError, match="none of the 3 videos"):
        read_echonet(folder, skip_broken=True)


def test_frames_are_decoded_once_and_a_changed_video_is_noticed(folder, monkeypatch):
    first = read_echonet(folder).frames.fingerprint()
    with monkeypatch.context() as patched:
        patched.setattr(reading, "read_traced", lambda *_: pytest.fail("decoded again"))
        assert read_echonet(folder).frames.fingerprint() == first
    video = toy_video(SECOND)
    write_echonet(folder / "other", [replace(video, frames=255 - video.frames)])
    (folder / "other" / VIDEOS / f"{SECOND}.avi").replace(avi(folder))
    assert read_echonet(folder).frames.fingerprint() != first


def test_progress_counts_videos(folder):
    steps = []
    read_echonet(folder, progress=lambda done, total, figures=None: steps.append((done, total)))
    assert steps == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("half_height", [16, 24, 40])
@pytest.mark.parametrize("tilt", [-35, 0, 20])
def test_a_mask_survives_being_traced_and_filled(half_height, tilt):
    mask = ellipse(half_height, tilt)
    trace = tracing(mask)
    assert trace.shape == (21, 4)
    assert dice(cavity(trace, mask.shape), mask) > 0.97
    axis = trace[0, 2:] - trace[0, :2]
    assert np.hypot(*axis) == pytest.approx(2 * half_height, abs=2)
    assert np.rad2deg(np.arctan2(axis[0], axis[1])) == pytest.approx(tilt, abs=2)  # down, from the apex
    chords = trace[1:, 2:] - trace[1:, :2]
    assert (chords[:, 0] > 0).all()  # from left to right
    np.testing.assert_allclose(chords @ axis, 0, atol=1e-9)


def test_a_trace_is_filled_between_its_chords_without_the_long_axis():
    trace = np.array([[30.0, 0, 30, 111], *([20.4, y, 39.6, y] for y in np.linspace(30, 60, 20))])
    mask = cavity(trace, (SIZE, SIZE))
    row, column = np.nonzero(mask)
    assert (row.min(), row.max(), column.min(), column.max()) == (30, 60, 20, 40)
    assert mask[31:60, 21:40].all()


def test_an_ellipse_traced_on_paper_has_its_area_in_pixels():
    """Chords of x²/a² + y²/b² = 1 at the middles of 20 disks of it; the polygon's area is known in closed form."""
    a, b = 16, 36
    y = b * (2 * (np.arange(20) + 0.5) / 20 - 1)
    half = a * np.sqrt(1 - (y / b) ** 2)
    trace = np.vstack([[56, 50 - b, 56, 50 + b], np.column_stack([56 - half, 50 + y, 56 + half, 50 + y])])
    area = float(((half[1:] + half[:-1]) * np.diff(y)).sum())
    perimeter = np.pi * (a + b)  # half a pixel on each side is what rounding may add
    assert abs(cavity(trace, (SIZE, SIZE)).sum() - area) < 0.5 * perimeter


def test_a_writing_that_was_stopped_is_noticed_and_can_be_redone(tmp_path):
    def stopped():
        yield toy_video(FIRST)
        assert avi(tmp_path, FIRST).is_file()  # one by one: nothing piles up
        raise KeyboardInterrupt

    write_echonet(tmp_path, [toy_video(FIRST)])
    with pytest.raises(KeyboardInterrupt):
        write_echonet(tmp_path, stopped())
    with pytest.raises(EchobenchError, match=r"there is no .*FileList.csv"):
        read_echonet(tmp_path)
    assert len(read_echonet(write_echonet(tmp_path, [toy_video(FIRST)])).frames) == 2
