"""A division of patients: who is set aside when fewer of them train."""

from itertools import pairwise
from pathlib import Path

import pytest

from echobench.data.base.errors import EchobenchError
from echobench.data.datasets.registry import read_dataset
from echobench.data.splits import Split, read_split_files

SPLIT = Split(tuple(f"p{i:02d}" for i in range(40)), ("v1", "v2"), ("t1", "t2"), "official")


def test_patients_of_a_smaller_fraction_are_among_those_of_a_larger_one():
    used = [set(SPLIT.fewer(fraction, 0).training) for fraction in (0.05, 0.1, 0.5, 1)]
    assert [len(patients) for patients in used] == [2, 4, 20, 40]
    assert used[0] < used[1] < used[2] < used[3]
    assert set(SPLIT.fewer(0.5, 1).training) != used[2], "another seed takes others"


def test_who_comes_first_does_not_hang_on_who_else_is_there():
    others = Split(SPLIT.training[::-1], (), (), "official")
    assert set(others.fewer(0.25, 3).training) == set(SPLIT.fewer(0.25, 3).training)


def test_validation_testing_and_the_fingerprint_stay():
    fewer = SPLIT.fewer(0.1, 0)
    assert (fewer.validation, fewer.testing) == (SPLIT.validation, SPLIT.testing)
    assert sorted(fewer.training + fewer.set_aside) == list(SPLIT.training)
    assert fewer.fingerprint() == SPLIT.fingerprint() == SPLIT.fewer(1, 0).fingerprint()
    assert SPLIT.fewer(1, 0) == SPLIT
    assert fewer.restrict(SPLIT.training).set_aside == fewer.set_aside


def test_a_fraction_that_leaves_nobody_is_refused():
    with pytest.raises(EchobenchError, match=r"fraction 0.01 of 40 training patients leaves none; 0.025 leaves one"):
        SPLIT.fewer(0.01, 0)
    assert len(SPLIT.fewer(0.025, 0).training) == 1


class TestDraw:
    def test_patients_of_a_smaller_draw_are_among_those_of_a_larger_one_and_do_the_same(self):
        found = [SPLIT.drawn(n, 0, 0) for n in (2, 5, 10, 11, 40)]
        assert [(len(one.training), len(one.selecting)) for one in found] == [(1, 1), (4, 1), (8, 2), (8, 3), (32, 8)]
        for fewer, more in pairwise(found):
            assert set(fewer.training) <= set(more.training) and set(fewer.selecting) <= set(more.selecting)

    def test_who_selects_does_not_train_and_nobody_is_lost(self):
        for n in range(2, 41):
            one = SPLIT.drawn(n, 1, 0)
            assert sorted(one.training + one.selecting + one.set_aside) == list(SPLIT.training)
            assert len(one.training) + len(one.selecting) == n
            assert (one.selection, SPLIT.selection) == (one.selecting, SPLIT.validation)
            assert (one.validation, one.testing) == (SPLIT.validation, SPLIT.testing)
            assert one.fingerprint() == SPLIT.fingerprint()
            assert one.restrict(SPLIT.training).selecting == one.selecting

    def test_other_draws_and_seeds_take_others_whoever_else_is_there(self):
        taken = {SPLIT.drawn(5, draw, seed).training for draw, seed in ((0, 0), (1, 0), (2, 0), (0, 1))}
        assert len(taken) == 4
        reversed_split = Split(SPLIT.training[::-1], (), (), "official")
        assert set(reversed_split.drawn(5, 0, 0).training) == set(SPLIT.drawn(5, 0, 0).training)

    def test_more_than_there_are_is_refused(self):
        with pytest.raises(EchobenchError, match="patients is 41, but there are 40 training patients; ask for as many"):
            SPLIT.drawn(41, 0, 0)


def test_a_list_that_is_missing_is_named_and_no_other_split_taken(camus_folder):
    lists = camus_folder / "database_split"
    (lists / "subgroup_validation.txt").rename(lists / "subgroup_val.txt")
    with pytest.raises(EchobenchError, match=r"subgroup_validation\.txt is missing"):
        read_split_files(camus_folder)


def test_lists_of_other_encodings(camus_folder):
    path = camus_folder / "database_split" / "subgroup_training.txt"
    names = path.read_text()
    path.write_text(names, encoding="utf-8-sig")
    assert read_split_files(camus_folder).training == tuple(names.split())
    path.write_bytes(b"patient0001 \xe9")
    with pytest.raises(EchobenchError, match="not text in UTF-8"):
        read_split_files(camus_folder)


def test_the_lists_that_lie_beside_the_images_are_used(camus_folder, monkeypatch):
    images = camus_folder / "database_nifti"
    assert read_split_files(images) == read_split_files(camus_folder)
    monkeypatch.chdir(images)
    assert read_split_files(Path()) == read_split_files(camus_folder)
    assert read_dataset(images, size=(32, 32)).split.testing == ("patient0005",)
