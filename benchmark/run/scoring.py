"""What a U-Net scores on frames of which not everything may be known."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from echobench.data.frames import Frames
from echobench.segmentation.scores import score
from echobench.segmentation.segmenter import Forecast


def known_scores(
    frames: Frames, forecasts: Iterable[Forecast], regions: Sequence[str]
) -> tuple[pd.DataFrame, NDArray[np.uint8]]:
    """Raw scores (see `score`) of the regions that the experts drew, distances only where the spacing is known; and the
    label maps (N, H, W) that were scored.

    forecasts: of batches of the frames in their order, see `Segmenter.forecasts`; one is held at a time.
    """
    tables, maps, start = [], [], 0
    for labels, probabilities in forecasts:
        batch = np.arange(start, start + len(labels))
        tables.append(score(frames.select(batch), labels, probabilities))
        maps.append(labels)
        start += len(labels)
    table = pd.concat(tables, ignore_index=True)
    known = table["region"].isin(regions)
    if not np.isfinite(frames.spacing_mm).all():
        known &= table["unit"] != "mm"
    return table[known], np.concatenate(maps)
