"""A U-Net small enough to train in a second."""

from collections.abc import Iterator

import pytest
import torch

from echobench.segmentation.settings import UNetSettings


@pytest.fixture
def tiny() -> UNetSettings:
    return UNetSettings(
        channels=(4, 8, 16),
        image_size_px=32,
        batch_size=4,
        epochs=None,
        steps=12,
        peak_learning_rate=5e-3,
        validation_every_steps=3,
    )


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Tensors this small are not worth sharing out, least of all where tests run beside each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
