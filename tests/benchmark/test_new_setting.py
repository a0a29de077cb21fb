"""A setting that runs have not always had costs one file: what it does to runs of before."""

from dataclasses import MISSING, asdict, dataclass, fields

from echobench.benchmark.run.settings import RunSettings, resolve
from echobench.results.evidence.comparison import own_settings
from echobench.results.evidence.differences import told_apart
from echobench.results.records.unsaid import UNSAID


@dataclass(frozen=True)
class Flipping(RunSettings):
    flips: bool = False


def with_flips(flips: bool) -> Flipping:
    before = resolve(generator="warp", view="4C", preset="quick")
    return Flipping(**vars(before), flips=flips)


def test_a_run_that_has_what_all_runs_had_is_the_run_of_before():
    before, same = resolve(generator="warp", view="4C", preset="quick"), with_flips(False)
    assert (same.identity(), same.slug()) == (before.identity(), before.slug())
    assert same.published() == before.published()


def test_a_run_that_has_something_else_is_another_run_and_its_table_says_so():
    before, flipped = with_flips(False), with_flips(True)
    assert flipped.slug() != before.slug()
    assert told_apart([own_settings(one.published()) for one in (before, flipped)]) == ["flips none", "flips True"]


def test_what_tables_read_by_name_is_always_said_and_is_what_old_records_had():
    published = resolve(generator="warp", view="4C", preset="quick").published()
    assert set(UNSAID) <= set(published)
    defaults = {one.name: one.default for one in fields(RunSettings) if one.default is not MISSING}
    assert defaults == {**UNSAID, "code": None}, "no table asks for the code of a generator in a file"
    assert set(asdict(with_flips(True))) - set(published) == {"flips", "code"}
