"""The ladder of stresses as a picture: what each does to a label map, from nothing to the extreme."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from echobench.benchmark.run.pictures import show_labels, wrapped
from echobench.benchmark.stress.pictures import ladder_grid
from echobench.data.base.errors import EchobenchError
from echobench.data.frames import Frames
from echobench.data.ladder.ladder import SEVERITIES, STRESSES, find_stress
from echobench.data.ladder.maps import stress_maps
from echobench.results.shown.figures import SMALL

HEADING = "what each deformation does to the label map of one patient, from severity 0, nothing, to 1"


def gallery(
    frame: Frames, names: Sequence[str] = tuple(STRESSES), severities: Sequence[float] = SEVERITIES, seed: int = 0
) -> Figure:
    """Rows: stresses; columns: severities, on the label map of a single frame.

    Below stands why a stress does not apply to the map, if one does not. Raises EchobenchError for an unknown name, and
    for more or fewer frames than one.
    """
    if len(frame) != 1:
        raise EchobenchError(f"the gallery shows the map of one frame, got {len(frame)}; select one")
    for name in names:
        find_stress(name)
    reasons: dict[str, str] = {}
    with ladder_grid(names, [f"{severity:g}" for severity in severities], HEADING) as (figure, axes):
        for row, name in zip(axes, names, strict=True):
            for cell, severity in zip(row, severities, strict=True):
                try:
                    labels = stress_maps(frame, name, severity, seed).maps.labels[0]
                except EchobenchError as error:
                    cell.text(0.5, 0.5, "none", fontsize=SMALL, ha="center", va="center", transform=cell.transAxes)
                    reasons.setdefault(name, str(error))
                    continue
                show_labels(cell, labels, frame.sector[0])
                cell.set_aspect(float(np.divide(*frame.spacing_mm[0])))
        if reasons:
            said = " ".join(f"{name}: {reason}." for name, reason in reasons.items())
            figure.supxlabel(wrapped(said, figure.get_figwidth()), fontsize=SMALL)
    return figure
