"""The two traced frames of one video, and the cavity that was traced in them."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray
from skimage.draw import polygon

from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.echonet.tables import Listed
from echobench.data.datasets.echonet.writing import FILE_LIST, TRACINGS, VIDEOS
from echobench.data.labels import Label

_OVER_THE_EDGE = 1  # pixels by which a trace may leave its frame, as one drawn along the very border does
_FEWEST_ROWS = 3  # of a trace: the long axis and two chords


@dataclass(frozen=True, eq=False)
class TracedFrames:
    """End-diastole and end-systole. images: (2, H, W) uint8; labels: (2, H, W) uint8, codes of `Label`."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def read_traced(video: Listed, size: tuple[int, int]) -> TracedFrames:
    """The traced frames of a video of (H, W) pixels; the one with the larger cavity is end-diastole.

    Raises EchobenchError for whatever makes the video unfit.
    """
    if len(video.tracings) != 2:
        raise EchobenchError(
            f"{TRACINGS} has {len(video.tracings)} traced frames of {video.name}; "
            "end-diastole and end-systole are needed"
        )
    cavities = {frame: _checked_cavity(video, frame, size) for frame in video.tracings}
    order = sorted(cavities, key=lambda frame: -int(cavities[frame].sum()))
    images, count = decode(video.path, order)
    if missing := [frame for frame in order if frame not in images]:
        if count < video.frame_count and missing[0] < video.frame_count:
            raise EchobenchError(f"{_shown(video.path)} is truncated: {count} of {video.frame_count} frames are there")
        raise EchobenchError(f"{TRACINGS} has frame {missing[0]} of {video.name}, which ends with {count - 1}")
    if images[order[0]].shape != size:
        raise EchobenchError(
            f"{_shown(video.path)} is {_by(images[order[0]].shape)} pixels, most videos are {_by(size)}"
        )
    inside = np.array([cavities[frame] for frame in order])
    labels = np.where(inside, np.uint8(Label.LV_ENDO), np.uint8(Label.BACKGROUND))
    return TracedFrames(np.array([images[frame] for frame in order]), labels)


def decode(path: Path, wanted: Collection[int]) -> tuple[dict[int, NDArray[np.uint8]], int]:
    """Some frames of a video by 0-based index, (H, W) grey, and how many frames were decoded until the last of them.

    What is wanted and not there is missing. Raises EchobenchError if the file is missing or damaged on the way.
    """
    if not path.is_file():
        raise EchobenchError(f"there is no {_shown(path)}, which {FILE_LIST} lists")
    found: dict[int, NDArray[np.uint8]] = {}
    count, last = 0, max(wanted)
    try:
        with av.open(path) as container:
            stream = container.streams.video[0]
            stream.codec_context.options = {"err_detect": "explode"}  # else half a picture passes for a whole one
            stream.thread_count = 1
            for frame in container.decode(stream):
                if count in wanted:
                    found[count] = frame.to_ndarray(format="gray").astype(np.uint8, copy=False)
                count += 1
                if count > last:
                    break
    except (FFmpegError, IndexError, AttributeError) as error:  # the last two: no video in it, or of no known kind
        raise EchobenchError(f"{_shown(path)} cannot be decoded beyond frame {count}: truncated or damaged") from error
    return found, count


def count_frames(path: Path) -> int:
    """Frames in a video that can be opened, without decoding them."""
    with av.open(path) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))


def cavity(trace: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask (H, W) of a trace (K, 4) as the code of EchoNet-Dynamic fills it: a polygon through the ends of its
    chords, down on one side and up on the other, rounded to pixels; the long axis, its first row, is dropped."""
    x = np.concatenate([trace[1:, 0], trace[:0:-1, 2]])
    y = np.concatenate([trace[1:, 1], trace[:0:-1, 3]])
    mask = np.zeros(size, dtype=bool)
    mask[polygon(np.rint(y).astype(int), np.rint(x).astype(int), size)] = True
    return mask


def _checked_cavity(video: Listed, frame: int, size: tuple[int, int]) -> NDArray[np.bool_]:
    trace, (height, width) = video.tracings[frame], size
    over = np.array([width, height, width, height]) - 1 + _OVER_THE_EDGE
    if not ((trace >= -_OVER_THE_EDGE) & (trace <= over)).all():
        raise EchobenchError(f"{TRACINGS} has a trace of {video.name}, frame {frame}, outside of {_by(size)} pixels")
    if len(trace) < _FEWEST_ROWS or not (mask := cavity(trace, size)).any():
        raise EchobenchError(f"{TRACINGS} has a trace of {video.name}, frame {frame}, that encloses nothing")
    return mask


def _shown(path: Path) -> str:
    """Without the folder of the dataset, as these sentences are kept in records."""
    return f"{VIDEOS}/{path.name}"


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(str(side) for side in shape)
