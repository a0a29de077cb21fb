"""The ladder of stresses as a picture: what each does to a label map, from nothing to the extreme."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from echobench.benchmark.run.pictures import show_labels
from echobench.data.base.errors import EchobenchError
from echobench.data.frames import Frames
from echobench.data.ladder.ladder import SEVERITIES, STRESSES, find_stress
from echobench.data.ladder.maps import stress_maps

CELL_INCHES = (1.75, 1.55)


def gallery(
    frame: Frames, names: Sequence[str] = tuple(STRESSES), severities: Sequence[float] = SEVERITIES, seed: int = 0
) -> Figure:
    """Rows: stresses; columns: severities, on the label map of a single frame.

    A cell for which the stress does not apply to the map says why. Raises EchobenchError for an unknown name, and for
    more or fewer frames than one.
    """
    if len(frame) != 1:
        raise EchobenchError(f"the gallery shows the map of one frame, got {len(frame)}; select one")
    for name in names:
        find_stress(name)
    size = CELL_INCHES[0] * len(severities) + 0.8, CELL_INCHES[1] * len(names) + 0.4
    figure, axes = plt.subplots(len(names), len(severities), figsize=size, squeeze=False, layout="constrained")
    for row, name in zip(axes, names, strict=True):
        row[0].set_ylabel(name.replace("-", "\n"), fontsize=8)
        for cell, severity in zip(row, severities, strict=True):
            cell.set(xticks=[], yticks=[])
            cell.spines[:].set_visible(False)
            try:
                labels = stress_maps(frame, name, severity, seed).maps.labels[0]
            except EchobenchError as error:
                cell.text(0.5, 0.5, str(error), fontsize=5, wrap=True, ha="center", va="center")
                continue
            show_labels(cell, labels, frame.sector[0])
            cell.set_aspect(float(np.divide(*frame.spacing_mm[0])))
    for cell, severity in zip(axes[0], severities, strict=True):
        cell.set_title(f"severity {severity:g}", fontsize=8)
    return figure
