"""Names stay names, texts are read in the encoding they have, and hidden files are passed over."""

import csv

import pytest
from PIL import Image

from echobench.data.base.errors import EchobenchError
from echobench.data.base.text import read_text
from echobench.data.datasets.check import check_camus
from echobench.data.datasets.echonet.tables import listed_videos, read_file_list, read_tracings
from echobench.data.datasets.folder import fingerprint_of, read_folder
from echobench.data.datasets.registry import read_dataset
from echobench.data.store import read_manifest

from .test_camus import SIZE

APPLE_DOUBLE = b"\0\5\26\7\0\2\0\0Mac OS X        "


def write_manifest(folder, frames, names=None, encoding="utf-8", **options):
    folder.mkdir(exist_ok=True)
    rows = [["image", "labels", "patient", "view", "phase"]]
    for i in range(len(frames)):
        Image.fromarray(frames.images[i]).save(folder / f"{i}.png")
        Image.fromarray(frames.labels[i]).save(folder / f"{i}_gt.png")
        name = frames.patient[i] if names is None else names[i // 2]
        rows.append([f"{i}.png", f"{i}_gt.png", name, frames.view[i], frames.phase[i]])
    with (folder / "manifest.csv").open("w", newline="", encoding=encoding) as stream:
        csv.writer(stream, **options).writerows(rows)
    return folder


def test_what_macos_leaves_is_passed_over(camus_folder):
    before = read_dataset(camus_folder, size=SIZE).frames.fingerprint()
    for path in list(camus_folder.rglob("*.nii.gz")):
        path.with_name(f"._{path.name}").write_bytes(APPLE_DOUBLE)
    for folder in (camus_folder, camus_folder / "database_nifti", camus_folder / "database_split"):
        (folder / ".DS_Store").write_bytes(b"x")
    hidden = camus_folder / "database_nifti" / ".Trashes"
    hidden.mkdir()
    (hidden / "patient0001_4CH_ED.nii.gz").write_bytes(b"x")
    assert read_dataset(camus_folder, size=SIZE).frames.fingerprint() == before
    assert check_camus(camus_folder).sound


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_manifest_that_a_spreadsheet_saved(make_frames, tmp_path, encoding):
    folder = write_manifest(tmp_path / "f", make_frames(3), encoding=encoding, quoting=csv.QUOTE_ALL)
    assert len(read_folder(folder, None, size=SIZE).frames) == 6


def test_names_stay_names(make_frames, tmp_path):
    names = ["007", "NA", "1e5", "é"]
    folder = write_manifest(tmp_path / "f", make_frames(4), names)
    assert sorted(set(read_folder(folder, None, size=SIZE).frames.patient.tolist())) == sorted(names)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"image,labels,patient,view,phase\na.png,b.png,Ren\xe9,4C,ED\n", "not text in UTF-8"),
        (b"image;labels;patient;view;phase\na;b;c;4C;ED\n", "commas part them"),
        (b"image,labels,patient,view,phase\na.png\n", "known: 2C, 4C"),
        (b"image,labels,patient,view,phase\na.png,b.png,p,4C,ED,more\n", "more values than columns"),
        (b"image,labels,patient,view,phase\na.png,b.png,../../p,4C,ED\n", "hold a slash"),
        (b"image,labels,patient,view,phase\na.png,b.png,,4C,ED\n", "must not be empty"),
        (b"image,labels,patient,view,phase\na.png,b.png,p\0,4C,ED\n", "not text"),
        (b"image,labels\n" + b"x" * 200_000 + b",b\n", "cannot be read as a table"),
    ],
)
def test_a_manifest_that_is_unfit(tmp_path, content, sentence):
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(EchobenchError, match=sentence) as raised:
        read_folder(tmp_path, None)
    assert "manifest.csv" in str(raised.value)


@pytest.mark.parametrize("content", [b"name,source\nx,y\n", b"\xff\xff\n", b"name\n\0\n"])
def test_a_manifest_of_drawn_frames_that_is_damaged(tmp_path, content):
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(EchobenchError, match=r"manifest\.csv"):
        read_manifest(tmp_path)


def test_the_fingerprint_is_of_what_is_read(make_frames, tmp_path):
    outside = write_manifest(tmp_path / "outside", make_frames(3))
    folder = write_manifest(tmp_path / "f", make_frames(3))
    manifest = folder / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("\n0.png", "\n../outside/0.png"))
    before = fingerprint_of(folder)
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "runs").mkdir()
    (folder / "runs" / "run.json").write_text("{}")
    assert fingerprint_of(folder) == before
    Image.fromarray(make_frames(3, seed=1).images[0]).save(outside / "0.png")
    assert fingerprint_of(folder) != before


def info(camus_folder, content):
    path = camus_folder / "database_nifti" / "patient0001" / "Info_4CH.cfg"
    path.write_bytes(content)
    return read_dataset(camus_folder, size=SIZE).clinical.loc["patient0001"].dropna().to_dict()


@pytest.mark.parametrize(
    "content",
    [
        b"EF: 46,5\r\nSex: F\r\n",
        b"\xef\xbb\xbfEF: 46.5\nSex: F\n",
        b"Name: Ren\xe9\nEF: 46.5 %\nSex: F\n",
        "EF : 46.5\nSex: F\n".encode("utf-16"),
    ],
)
def test_an_info_file_as_others_save_it(camus_folder, content):
    assert info(camus_folder, content) == {"ef_percent": 46.5, "sex": "F"}


@pytest.mark.parametrize("value", [b"4 6", b"1e5", b"46.5.1", b"-46", b"460", b"9" * 400, b"46/50"])
def test_an_info_file_is_never_misread(camus_folder, value):
    with pytest.raises(EchobenchError, match=r"Info_4CH\.cfg"):
        info(camus_folder, b"EF: " + value)
    assert not check_camus(camus_folder).sound


FILE_LIST = "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split\n"


def echonet(folder, names, split="TRAIN", frames="46"):
    rows = [f"{name},50,40,80,112,112,50,{frames},{split}" for name in names]
    (folder / "FileList.csv").write_text(FILE_LIST + "\n".join(rows) + "\n", encoding="utf-8-sig")
    rows = [f"{name},1,1,5,5,{frame}.0" for name in names for frame in (3, 9)]
    (folder / "VolumeTracings.csv").write_text("FileName,X1,Y1,X2,Y2,Frame\n" + "\n".join(rows) + "\n")
    return listed_videos(folder, read_file_list(folder), read_tracings(folder))


def test_tables_of_echonet_as_others_save_them(tmp_path):
    (tmp_path / "Videos").mkdir()
    (tmp_path / "Videos" / "007.AVI").write_bytes(b"")
    videos = echonet(tmp_path, [" 007.AVI", "NA ", "1e5.avi"], " train ", "46.0")
    assert [(v.name, v.subset, v.frame_count, sorted(v.tracings)) for v in videos] == [
        (name, "training", 46, [3, 9]) for name in ("007", "1e5", "NA")
    ]
    assert videos[0].path.name == "007.AVI"


@pytest.mark.parametrize("frames", ["46.5", "1e300", "inf", "", "-1"])
def test_numbers_of_frames_are_whole(tmp_path, frames):
    with pytest.raises(EchobenchError, match="NumberOfFrames"):
        echonet(tmp_path, ["a"], frames=frames)


def test_a_name_of_a_video_is_no_path(tmp_path):
    with pytest.raises(EchobenchError, match="hold a slash"):
        echonet(tmp_path, ["../../secret"])


def test_what_is_no_text(tmp_path):
    with pytest.raises(EchobenchError, match="it is no file"):
        read_text(tmp_path)
    with pytest.raises(EchobenchError, match="there is none"):
        read_text(tmp_path / "x")
