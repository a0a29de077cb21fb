"""A tiny form of `make campaign`: some hundreds of changed inputs, and none but sentences."""

import pytest

from tests.campaign.fuzz import fuzz
from tests.campaign.inputs import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_changed_inputs_are_read_or_refused(kind):
    (tally,) = fuzz([kind], range(8), seed=1)
    assert not tally.faults, tally.faults
    assert tally.refused + tally.read == 8
