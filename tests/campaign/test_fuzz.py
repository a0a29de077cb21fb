"""A tiny form of `make campaign`: some hundreds of changed inputs, and none but sentences."""

from fnmatch import fnmatch

import pytest

from echobench.results.records.beside import MEASURED
from tests.campaign.fuzz import fuzz
from tests.campaign.inputs import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_changed_inputs_are_read_or_refused(kind):
    (tally,) = fuzz([kind], range(8), seed=1)
    assert not tally.faults, tally.faults
    assert tally.refused + tally.read == 8


@pytest.mark.parametrize("table", MEASURED, ids=lambda table: table.name)
def test_every_table_beside_a_record_has_a_kind_of_its_own(table, tmp_path):
    own = [kind for kind in KINDS.values() if kind.files.startswith(f"paint/{table.name[:8]}")]
    (kind,) = (kind for kind in own if fnmatch(f"paint/{table.name}", kind.files))
    kind.make(tmp_path)
    assert (tmp_path / "paint" / table.name).is_file()
