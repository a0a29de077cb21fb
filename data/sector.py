"""The ultrasound sector of an image, without speckle holes."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import convex_hull_image

from echobench.data.base.errors import EchobenchError

_SQUARE = np.ones((3, 3), dtype=bool)  # closes black speckle inside, opens bright specks outside


def sector_mask(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Inside of the ultrasound sector of an image: (H, W) uint8 -> (H, W) bool.

    The convex hull of the largest connected area that is not black. Departs from the paper [data.sector]: a sector is
    convex, so black speckle inside it leaves no hole and a black flank no bay.

    Raises EchobenchError if the image is black.
    """
    closed = ndimage.binary_closing(image > 0, _SQUARE, border_value=0)
    lit = ndimage.binary_opening(closed, _SQUARE)
    component, n = ndimage.label(lit)
    if n == 0:
        raise EchobenchError("the image is black: there is no ultrasound sector in it")
    largest = 1 + int(np.argmax(np.bincount(component.ravel())[1:]))
    return convex_hull_image(component == largest)
