"""The example of CONTRIBUTING: a layout that nobody has, PATIENT/PHASE.npz with an array `image` and one `labels`."""

from pathlib import Path

import numpy as np

from echobench.data.datasets.dataset import ASKED, Asked, Dataset, Reader
from echobench.data.datasets.medical_image import resize_image, resize_labels
from echobench.data.frames import Frames
from echobench.data.splits import derive_split


class Arrays(Reader):
    name = "arrays"
    layout = "expected PATIENT/ED.npz and PATIENT/ES.npz"

    def recognises(self, folder: Path) -> bool:
        return any(folder.glob("*/E?.npz"))

    def read(self, folder: Path, asked: Asked = ASKED) -> Dataset:
        files = sorted(folder.glob("*/E?.npz"))
        images, labels = zip(*((stored["image"], stored["labels"]) for stored in map(np.load, files)), strict=True)
        n, patients = len(files), [file.parent.name for file in files]
        frames = Frames(
            images=np.array([resize_image(image, asked.size) for image in images]),
            labels=np.array([resize_labels(label, asked.size) for label in labels]),
            sector=np.ones((n, *asked.size), dtype=bool),
            spacing_mm=np.full((n, 2), np.nan),  # unknown: distances are not scored
            patient=np.array(patients),
            view=np.repeat("4C", n),
            phase=np.array([file.stem for file in files]),
            source=np.repeat(self.name, n),
        )
        return Dataset(self.name, frames, derive_split(patients, asked.seed), regions=("LVendo", "LA"))
