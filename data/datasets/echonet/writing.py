"""Videos written as EchoNet-Dynamic publishes its own.

    FileList.csv          FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split
    VolumeTracings.csv    FileName,X1,Y1,X2,Y2,Frame
    Videos/NAME.avi       motion JPEG

As there, FileList.csv names a video without `.avi` and VolumeTracings.csv with it.

Ouyang et al., Nature 580, 2020, doi:10.1038/s41586-020-2145-8.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from echobench.data.base.files import write_whole

FILE_LIST, TRACINGS, VIDEOS = "FileList.csv", "VolumeTracings.csv", "Videos"
FILE_COLUMNS = ("FileName", "EF", "ESV", "EDV", "FrameHeight", "FrameWidth", "FPS", "NumberOfFrames", "Split")
TRACING_COLUMNS = ("FileName", "X1", "Y1", "X2", "Y2", "Frame")
CHORDS = 20

_QUANTISER = {"qmin": "2", "qmax": "2"}  # 4 to 5 kB a frame of 112×112
_STEP = 0.1  # pixels between the points of a chord at which the mask is looked up


@dataclass(frozen=True, eq=False)
class Video:
    """One video and what an expert says of it.

    name: without `.avi`. frames: (T, H, W) grey or (T, H, W, 3) RGB, uint8. fps: frames per second. split: "TRAIN",
    "VAL" or "TEST". tracings: by 0-based frame, (K, 4) pixels x1, y1, x2, y2, see `tracing`. ef: per cent. esv, edv:
    mL.
    """

    name: str
    frames: NDArray[np.uint8]
    fps: float
    split: str
    tracings: Mapping[int, NDArray[np.float64]]
    ef: float
    esv: float
    edv: float


def tracing(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A mask of the left ventricle, (H, W), as EchoNet-Dynamic records one: (21, 4) pixels x1, y1, x2, y2.

    The first row is the long axis, from its upper end, the apex; then 20 chords perpendicular to it from there on, one
    through the middle of each of 20 disks of equal height, from left to right. The axis is the principal one.

    Raises ValueError for an empty mask.
    """
    points = np.argwhere(mask)[:, ::-1].astype(np.float64)
    if not len(points):
        raise ValueError("an empty mask has no long axis")
    centre = points.mean(axis=0)
    down = np.linalg.svd(points - centre, full_matrices=False)[2][0]
    down *= 1 if down[1] >= 0 else -1
    right = np.array([down[1], -down[0]])
    along = (points - centre) @ down
    apex, base = along.min() - 0.5, along.max() + 0.5
    middles = centre + np.linspace(apex, base, 2 * CHORDS + 1)[1::2, None] * down
    across = np.arange(-np.hypot(*mask.shape), np.hypot(*mask.shape), _STEP)
    x, y = np.moveaxis(middles[:, None] + across[:, None] * right, -1, 0)
    inside = ndimage.map_coordinates(mask.astype(np.float32), [y, x], order=1) > 0.5
    crossed = inside.any(axis=1, keepdims=True)
    left_end = np.where(crossed, across[inside.argmax(axis=1)][:, None], 0)
    right_end = np.where(crossed, across[::-1][inside[:, ::-1].argmax(axis=1)][:, None], 0)
    chords = np.hstack([middles + left_end * right, middles + right_end * right])
    return np.vstack([np.hstack([centre + apex * down, centre + base * down]), chords])


def write_echonet(folder: Path, videos: Iterable[Video]) -> Path:
    """Writes videos one by one under `folder`, which is made, and returns it.

    FileList.csv comes last: a folder without it was not finished, and a later call writes it anew.
    """
    (folder / VIDEOS).mkdir(parents=True, exist_ok=True)
    (folder / FILE_LIST).unlink(missing_ok=True)
    files = io.StringIO()
    with (folder / TRACINGS).open("w", newline="", encoding="utf-8") as traced:
        rows, chords = csv.writer(files, lineterminator="\n"), csv.writer(traced, lineterminator="\n")
        rows.writerow(FILE_COLUMNS)
        chords.writerow(TRACING_COLUMNS)
        for video in videos:
            _write_avi(folder / VIDEOS / f"{video.name}.avi", video)
            count, height, width = video.frames.shape[:3]
            rows.writerow(
                [video.name, video.ef, video.esv, video.edv, height, width, f"{video.fps:g}", count, video.split]
            )
            for frame, ends in video.tracings.items():
                chords.writerows([f"{video.name}.avi", *row, frame] for row in ends.tolist())
    write_whole(folder / FILE_LIST, files.getvalue())
    return folder


def _write_avi(path: Path, video: Video) -> None:
    with av.open(path, "w") as container:
        stream = container.add_stream("mjpeg", rate=Fraction(video.fps).limit_denominator(1000), options=_QUANTISER)
        stream.height, stream.width = video.frames.shape[1:3]
        stream.pix_fmt, stream.thread_count = "yuvj420p", 1  # threads cost more than such small frames
        pixels = "gray" if video.frames.ndim == 3 else "rgb24"
        for frame in video.frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=pixels)))
        container.mux(stream.encode())
