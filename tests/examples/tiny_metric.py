"""A metric in one line: what CONTRIBUTING shows as the example of a new column."""

import numpy as np

from echobench.segmentation.scores import Metric

PRECISION = Metric("precision", "Precision", "1", ".1f", "higher", 0.0, lambda m: m.n_both / np.maximum(m.n_pred, 1))
