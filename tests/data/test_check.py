"""`data check`: every problem in one list."""

from echobench.data.datasets.check import check_camus

from .test_camus import first_file, label_seven, rewrite, truncate_gz


def texts(report, unsound):
    return [f.text for f in report.findings if f.unsound is unsound]


def test_a_sound_folder_has_counts_and_no_findings(camus_folder):
    report = check_camus(camus_folder)
    assert report.sound
    assert not report.findings
    assert report.counts.set_index(["subset", "view", "phase"])["frames"].to_dict() == {
        ("training", "4C", "ED"): 3, ("training", "4C", "ES"): 3,
        ("validation", "4C", "ED"): 1, ("validation", "4C", "ES"): 1,
        ("testing", "4C", "ED"): 1, ("testing", "4C", "ES"): 1,
    }  # fmt: skip


def test_all_problems_are_found_at_once(camus_folder):
    truncate_gz(first_file(camus_folder))
    second = camus_folder / "database_nifti" / "patient0002"
    rewrite(second / "patient0002_4CH_ED_gt.nii.gz", label_seven)
    for suffix in ("", "_gt"):
        (second / f"patient0002_4CH_ES{suffix}.nii.gz").unlink()
    (camus_folder / "database_split" / "subgroup_validation.txt").write_text("patient0004 patient0003 patient0099")
    report = check_camus(camus_folder)
    assert not report.sound
    unsound, notes = " / ".join(texts(report, True)), " / ".join(texts(report, False))
    assert "truncated" in unsound
    assert "label 7" in unsound
    assert "in more than one subset of the split: patient0003" in unsound
    assert "patient0002 has no ES frame in view 4C" in notes
    assert "patient0099, not in the folder" in notes


def test_real_camus_lacks_one_listed_patient(real_camus):
    report = check_camus(real_camus)
    assert report.sound
    assert texts(report, False) == ["the split lists patient0039, not in the folder"]
