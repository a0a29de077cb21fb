"""What a U-Net scores on frames of which not everything may be known."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from echobench.data.frames import Frames
from echobench.segmentation.scores import score


def known_scores(frames: Frames, predicted: NDArray[np.uint8], regions: Sequence[str]) -> pd.DataFrame:
    """Raw scores (see `score`) of the regions that the experts drew; distances only where the spacing is known."""
    table = score(frames, predicted)
    known = table["region"].isin(regions)
    if not np.isfinite(frames.spacing_mm).all():
        known &= table["unit"] != "mm"
    return table[known]
