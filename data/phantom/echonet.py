"""The phantom as another hospital films it: one beat a patient, on another scanner, in EchoNet-Dynamic's format."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.draw import line

from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.echonet.writing import Video, tracing, write_echonet
from echobench.data.labels import Label
from echobench.data.phantom.dataset import OBSERVER_MM
from echobench.data.phantom.heart import Heart, draw_heart
from echobench.data.phantom.observer import observed
from echobench.data.phantom.once import write_once
from echobench.data.phantom.scan import scan
from echobench.data.phantom.scanner import SECOND_SCANNER, Acquisition, draw_acquisition
from echobench.data.phantom.section import label_map

VERSION = 1  # raise it when a video's bytes change
VIEW = "4C"
SIZE = 112
BORDER = 4  # pixels left black around the scan, where the ticks are
SCAN_SIZE = SIZE - 2 * BORDER
BEAMS_PER_PIXEL = 1.0  # a wide sector needs more of them
EXTRA_DEPTH = 1.12  # these sonographers see the whole atrium
STREAM = 1  # keeps patient n of a seed from being patient n of the CAMUS-like phantom

# Who they are, by number modulo 100; of the 10,030 of EchoNet-Dynamic 104 have end-systole first, 6 have no traces.
END_SYSTOLE_FIRST, UNTRACED = 3, 5
SPLIT = ("TRAIN", "TRAIN", "VAL", "TEST", "TRAIN", "TRAIN", "TRAIN", "TRAIN")
"""By number modulo 8: 75 / 12.5 / 12.5 per cent, where EchoNet-Dynamic has 7,465 / 1,288 / 1,277."""

MARKER_RGB = (40, 190, 200)
TICK_GREY = 190


@dataclass(frozen=True, eq=False)
class FilmedPatient:
    """One patient and the video of one beat.

    frames: (T, SIZE, SIZE, 3) uint8. labels: what the expert drew at end-diastole and at end-systole, by frame, (SIZE,
    SIZE) uint8 codes of `Label`. end_diastole, end_systole: those frames.
    """

    number: int
    name: str
    heart: Heart
    acquisition: Acquisition
    frames: NDArray[np.uint8]
    frame_rate: int
    end_diastole: int
    end_systole: int
    labels: Mapping[int, NDArray[np.uint8]]

    def video(self) -> Video:
        """In the terms of EchoNet-Dynamic.

        Volumes (ml) are those of the true sections by single-plane discs, and the ejection fraction (per cent) is
        theirs: what a reader of this view finds who makes no error.
        """
        edv, esv = (self.heart.section(VIEW, phase).volume_ml() for phase in ("ED", "ES"))
        traced = {} if self.number % 100 == UNTRACED else self.labels
        return Video(
            name=self.name,
            frames=self.frames,
            fps=self.frame_rate,
            split=SPLIT[self.number % len(SPLIT)],
            tracings={frame: tracing(traced[frame] == Label.LV_ENDO) for frame in sorted(traced)},
            ef=100 * (1 - esv / edv),
            esv=esv,
            edv=edv,
        )


def filmed_patient(seed: int, number: int) -> FilmedPatient:
    """Patient `number` of phantom `seed`."""
    generator = np.random.default_rng([seed, number, STREAM])
    name = f"0X{generator.integers(2**63):016X}"
    heart = draw_heart(generator)
    acquisition = draw_acquisition(generator, SECOND_SCANNER, EXTRA_DEPTH * heart.reach_mm(VIEW))
    # Pixels are square: the frame is as wide as it is deep.
    acquisition = replace(acquisition, margin=float(1 / (2 * np.sin(acquisition.half_sector_rad))))
    systole = _beat(generator, end_systole_first=number % 100 == END_SYSTOLE_FIRST)
    sections = [heart.contracted(VIEW, share) for share in systole]
    scans = np.stack([scan(section, acquisition, generator, SCAN_SIZE, BEAMS_PER_PIXEL) for section in sections])
    traced = {int(frame): sections[frame] for frame in (np.argmin(systole), np.argmax(systole))}
    x_mm, y_mm = acquisition.positions_mm(SCAN_SIZE)
    labels = {f: label_map(observed(s, generator, OBSERVER_MM), x_mm, y_mm) for f, s in traced.items()}
    end_diastole, end_systole = labels
    return FilmedPatient(
        number=number,
        name=name,
        heart=heart,
        acquisition=acquisition,
        frames=_on_screen(scans, acquisition.depth_mm),
        frame_rate=round(len(systole) * float(generator.uniform(50, 95)) / 60),
        end_diastole=end_diastole,
        end_systole=end_systole,
        labels={frame: np.pad(drawn, BORDER) for frame, drawn in labels.items()},
    )


def write_phantom_echonet(folder: Path, patients: int, seed: int) -> Path:
    """Writes patients 1..`patients` under `folder` unless they are there already, and returns `folder`.

    The folder appears complete or not at all. As in the original, a few videos show end-systole first, a few have no
    traces, and rows are in no order of name or subset.

    Raises EchobenchError if the folder holds anything else than this very dataset, or for fewer than 3 patients.
    """
    if patients < 3:
        raise EchobenchError(f"a phantom of {patients} patients cannot be split; ask for 3 or more")
    settings = {"format": "echonet", "version": VERSION, "patients": patients, "seed": seed}
    record = json.dumps(settings | {"scanner": asdict(SECOND_SCANNER)}, indent=1)
    videos = (filmed_patient(seed, number).video() for number in range(1, patients + 1))
    return write_once(folder, record, lambda unfinished: write_echonet(unfinished, videos))


def _beat(generator: np.random.Generator, end_systole_first: bool) -> NDArray[np.float64]:
    """How far the heart has contracted in each frame of one beat, (T,): 0 once, 1 once, in between elsewhere."""
    count = int(generator.integers(12, 17))
    contracting = round(count * float(generator.uniform(0.36, 0.44)))
    up = np.linspace(0, np.pi, contracting, endpoint=False)
    down = np.linspace(np.pi, 2 * np.pi, count - contracting, endpoint=False)
    beat = 0.5 - 0.5 * np.cos(np.concatenate([up, down]))
    late = int(generator.integers(1, 4))  # frames before the first of the two
    return np.roll(beat, late - contracting if end_systole_first else late)


def _on_screen(scans: NDArray[np.uint8], depth_mm: float) -> NDArray[np.uint8]:
    """Scans (T, SCAN_SIZE, SCAN_SIZE) with the scanner's marker and ticks around them: (T, SIZE, SIZE, 3)."""
    framed = np.pad(scans, ((0, 0), (BORDER, BORDER), (BORDER, BORDER)))
    frames = np.repeat(framed[..., None], 3, axis=3)
    frames[:, *_marker()] = MARKER_RGB
    for centimetre in range(int(depth_mm / 10) + 1):
        row = BORDER + int(10 * centimetre / depth_mm * SCAN_SIZE)
        frames[:, row, SIZE - (3 if centimetre % 5 == 0 else 2) :] = TICK_GREY
    return frames


@lru_cache
def _marker() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the V beside the probe that says which way it is turned."""
    left, right = line(5, 38, 10, 41), line(5, 44, 10, 41)
    return np.concatenate([left[0], right[0]]), np.concatenate([left[1], right[1]])
