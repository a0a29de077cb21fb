"""How many patients a generator is worth: curves with a known inverse, intervals that cover, and what is said of it."""

from math import inf, log
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from echobench.benchmark.cells.sweep import tabulate
from echobench.data.base.errors import EchobenchError
from echobench.results.evidence import worth
from echobench.results.evidence.comparison import Comparison
from echobench.results.evidence.sweep import sweeps
from echobench.results.evidence.worth import Way, patient_sweeps, patients_reaching
from echobench.results.records.run import Run
from echobench.results.shown.palette import look
from echobench.results.shown.readme import figures, with_tables
from echobench.results.shown.worth import worth_in_words, worth_table
from echobench.results.shown.worth_figure import worth_figure

NUMBERS = (2, 5, 20, 100)
REAL = {"generator_settings": {}, "strength": 0.0, "repeats": 1}


def rising(n):
    """Dice in % of real frames alone: straight in the logarithm of the patients."""
    return 70 + 4 * log(n)


def dice_of(n):
    """What has the Dice of n patients, of twelve scored patients half a point apart."""
    return {f"p{i:02d}": (rising(n) + 0.5 * (i % 3 - 1)) / 100 for i in range(12)}


class TestCurve:
    @pytest.mark.parametrize("n", [2, 3.5, 5, 24, 99.9, 100])
    def test_a_straight_line_in_the_logarithm_is_inverted(self, n):
        means = np.array([[rising(k)] for k in NUMBERS])
        assert patients_reaching(NUMBERS, means, [[rising(n)]]) == pytest.approx(np.array([[n]]), rel=1e-9)

    def test_what_is_out_of_range_is_said_to_be(self):
        means = np.array([[80.0] * 4, [90.0] * 4])
        (found,) = patients_reaching([2, 50], means, [[79.9, 80.0, 90.0, 90.1]])
        assert found.tolist() == [0, 2, pytest.approx(50), inf]

    def test_more_patients_are_taken_to_do_no_harm(self):
        """84 and 82 are levelled at 83, which two patients reach; from there the curve rises behind the ten."""
        means = np.array([[84.0, 84.0], [82.0, 82.0], [90.0, 90.0]])
        ((level, above),) = patients_reaching([2, 10, 50], means, [[83.0, 83.01]])
        assert level == 2 and 10 < above < 20

    def test_the_curve_is_monotone_between_uneven_steps(self):
        dice = np.linspace(60, 90, 50)
        means = np.repeat([[60.0], [85.0], [85.5], [90.0]], 50, axis=1)
        (found,) = patients_reaching(NUMBERS, means, [dice])
        assert (np.diff(found) > 0).all() and (found[0], found[-1]) == (2, pytest.approx(100))


@pytest.fixture
def add_row(add_run):
    """`add_row(generator, patients, dice, mix=, draw=)`: a run of a draw of so many patients."""

    def add(generator, patients, scores, *, mix=None, draw=0, **changes):
        own = REAL if generator == "real" else {}
        settings = {**own, "patients": patients, "patient_draw": draw, "mix": mix, **changes.pop("settings", {})}
        frames = f"{patients}-{draw}".ljust(64, "0")
        prints = {"training": frames, "testing": "b" * 64, "split": "c" * 64}
        name = f"{generator}-{patients}-{mix}-{draw}"
        return add_run(generator, scores, name=name, settings=settings, fingerprints=prints, **changes)

    return add


@pytest.fixture
def swept(add_row):
    """Real frames alone at `NUMBERS`, three draws of each, and warp: with 5 patients worth 24, with 20 too many."""
    folders = [add_row("real", n, dice_of(n), draw=draw) for n in NUMBERS for draw in range(3)]
    return folders + [
        add_row("warp", n, dice_of(reached), mix=4.0, draw=draw)
        for n, reached in ((5, 24), (20, 200))
        for draw in range(3)
    ]


def ways_of(folders):
    (sweep,) = patient_sweeps(folders)
    return sweep, {way.label: way for way in sweep.ways}


def test_the_worth_of_a_row_is_where_real_frames_alone_reach_its_dice(swept):
    sweep, ways = ways_of(swept)
    assert (sweep.title, sweep.measured, sweep.notes) == ("CAMUS, 4C, patients", (2, 100), ())
    assert list(ways) == ["real", "warp (mix 4)"]
    found = ways["warp (mix 4)"].reach
    assert found[5].dice.value == pytest.approx(rising(24))
    assert found[5].worth == pytest.approx((24, 24, 24)), "the scored patients are the same on both sides"
    assert found[20].worth == (inf, inf, inf)
    assert ways["real"].reach[5].worth is None
    assert list(worth_in_words(sweep)) == [
        "With 5 patients, adding 4 images of warp per frame is worth 24 (24–24) patients.",
        "With 20 patients, adding 4 images of warp per frame is worth more than the 100 patients that were measured.",
    ]


def test_the_table_has_a_row_per_number_and_says_the_worth(swept, add_row):
    swept.append(add_row("sdm", 5, dice_of(1.5)))
    sweep, _ = ways_of(swept)
    table = worth_table(sweep)
    rows = table.frame.set_index(["trained on", "patients"])
    five = rows.loc[("warp (mix 4)", 5)]
    assert (five["worth"], five["worth 95 %"], five["draws"], five["U-Nets"]) == ("24", "24", 3, 3)
    assert rows.loc[("warp (mix 4)", 20), "worth"] == "more than 100"
    assert rows.loc[("sdm", 5), "worth 95 %"] == "fewer than 2"
    assert rows["worth"].isna().sum() == len(NUMBERS)
    assert rows.loc[("real", 20), "Dice"] == pytest.approx(rising(20))
    said = "training on images of sdm alone is worth fewer than the 2 patients that were measured: a loss is shown."
    assert f"With 5 patients, {said}" in table.notes
    assert any("one draw of patients alone" in note and note.endswith("sdm 5") for note in table.notes)


def noisy(rng, n, patients, spread=0.02):
    """Scores of a draw: the Dice of n patients, off by a number of its own, and every scored patient by another."""
    off = rng.normal(0, spread)
    return {p: rising(n) / 100 + off + own + rng.normal(0, 0.01) for p, own in patients.items()}


def test_the_interval_covers_the_truth_as_often_as_it_says(make_scores, monkeypatch):
    """A row's worth is 10. Its interval would miss that so often in 1 of 100 such tests, if it were a 95 % one."""
    monkeypatch.setattr(worth, "RESAMPLES", 199)
    rng = np.random.default_rng(1)
    patients = {f"p{i:02d}": rng.normal(0, 0.03) for i in range(20)}

    def way(generator, mix, reached):
        scores = {n: [make_scores(noisy(rng, m, patients)) for _ in range(3)] for n, m in reached.items()}
        runs = {n: [Run(Path(), None, one, generator) for one in tables] for n, tables in scores.items()}
        return Way(generator, mix, "", runs, {})

    found = []
    for _ in range(25):
        _, row = worth._reached([way("real", 0.0, dict(zip(NUMBERS, NUMBERS, strict=True))), way("warp", 4.0, {5: 10})])
        found.append(row.reach[5].worth)
    assert sum(one.low <= 10 <= one.high for one in found) >= stats.binom.ppf(0.01, len(found), 0.95)
    assert np.median([one.high / max(one.low, 1) for one in found]) < 10, "and not because it says nothing"


def test_draws_that_differ_widen_the_interval_and_no_gain_is_said(add_row):
    rng = np.random.default_rng(0)
    patients = {f"p{i:02d}": rng.normal(0, 0.03) for i in range(20)}
    folders = [add_row("real", n, noisy(rng, n, patients), draw=d) for n in NUMBERS for d in range(3)]
    folders += [add_row("warp", 5, noisy(rng, 5, patients), mix=4.0, draw=d) for d in range(3)]
    sweep, ways = ways_of(folders)
    value, low, high = ways["warp (mix 4)"].reach[5].worth
    assert low < 5 < high and low < value < high and high / max(low, 1) > 1.5
    assert [one for one in worth_in_words(sweep) if one.endswith("patients: no gain is shown.")]


def test_without_real_frames_alone_there_is_no_worth_and_it_is_said(add_row):
    sweep, ways = ways_of([add_row("warp", n, dice_of(n), mix=4.0) for n in (2, 5)] + [add_row("real", 2, dice_of(2))])
    assert sweep.measured is None and all(reach.worth is None for reach in ways["warp (mix 4)"].reach.values())
    assert "real frames alone have not finished with two numbers of patients: no worth can be told" in sweep.notes
    assert "worth" not in worth_table(sweep).frame


def test_a_failed_draw_is_a_row_with_its_reason(swept, add_failure):
    settings = {"patients": 5, "patient_draw": 3, "mix": 4.0}
    swept.append(add_failure("warp", "the disk is full", settings=settings))
    sweep, ways = ways_of(swept)
    table = worth_table(sweep).frame
    assert table["not finished"].dropna().tolist() == ["failed in fit-4C, attempt 2: the disk is full"]
    assert ways["warp (mix 4)"].reach[5].worth is not None


def test_a_draw_that_is_here_twice_counts_once(swept, add_run, add_row):
    prints = {"training": "5-0".ljust(64, "0"), "testing": "b" * 64, "split": "c" * 64}
    settings = {**REAL, "patients": 5, "patient_draw": 0}
    swept.append(add_run("real", dice_of(9), name="again", settings=settings, fingerprints=prints))
    sweep, ways = ways_of(swept)
    assert len(ways["real"].runs[5]) == 3
    assert [note for note in sweep.notes if note.startswith("left out, as the same draw is here twice: real-5-")]


def test_other_sweeps_and_comparisons_keep_apart_from_it(swept, add_run, tmp_path):
    plain = [add_run("sdm", dice_of(9), name=f"s{s}", settings={"strength": s, "patients": None}) for s in (0.0, 1.0)]
    assert [sweep.title for sweep in sweeps([*swept, *plain])] == ["CAMUS, 4C, strength"]
    with pytest.raises(EchobenchError, match="nothing was swept"):
        sweeps(swept)
    tables = tabulate([*swept, *plain], tmp_path / "out")
    assert [table.name for table in tables] == ["worth", "dice", "best", "evidence"]
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("worth.*")}
    place = "CAMUS--4C--patients"
    assert written == {f"tables/{place}/worth.{end}" for end in ("csv", "md", "tex")} | {
        f"figures/{place}/worth.{end}" for end in ("png", "pdf")
    }
    titles = [group.title for group in Comparison.of(swept).groups]
    assert "CAMUS, 4C, 5 patients, draw 2" in titles and len(titles) == 3 * len(NUMBERS)


def test_a_comparison_tells_a_mix_from_drawn_images_alone(add_run):
    folders = [add_run("real", dice_of(9), settings=REAL), add_run("sdm", dice_of(8))]
    folders += [add_run(name, dice_of(9), name=f"{name}-4", settings={"mix": 4.0}) for name in ("sdm", "warp")]
    (group,) = Comparison.of(folders).groups
    assert [run.label for run in group.runs] == ["real", "sdm", "sdm (mix 4)", "warp (mix 4)"]
    assert any("generators did not draw for the same label maps: mix" in note for note in group.notes)


def test_the_figure_has_a_line_per_generator_and_mix(swept, add_row, small_texts):
    swept += [add_row("warp", n, dice_of(n), draw=draw) for n in (5, 20) for draw in range(2)]
    (sweep,) = patient_sweeps(swept)
    figure = worth_figure(sweep)
    (axes,) = figure.axes
    assert not small_texts(figure)
    assert axes.get_xscale() == "log" and [t.get_text() for t in axes.get_xticklabels()] == ["2", "5", "20", "100"]
    assert [bars.get_label() for bars in axes.containers] == ["real", "warp", "warp (mix 4)"]
    found = [bars.lines[0] for bars in axes.containers]
    assert [line.get_color() for line in found] == [look(name).colour for name in ("real", "warp", "warp")]
    assert len({(line.get_linestyle(), line.get_marker()) for line in found}) == 3
    np.testing.assert_allclose(found[0].get_ydata(), [rising(n) for n in NUMBERS])


def test_a_block_of_the_readme_is_made_of_a_folder_of_such_runs(swept, tmp_path):
    text = "<!-- worth: camus -->\n<!-- end -->"
    assert with_tables(text, tmp_path / "measured") == text, "nothing where there is no record"
    (tmp_path / "measured" / "camus-worth").mkdir(parents=True)
    for folder in swept:
        folder.rename(tmp_path / "measured" / "camus-worth" / folder.name)
    block = with_tables(text, tmp_path / "measured")
    assert "- With 5 patients, adding 4 images of warp per frame is worth 24 (24–24) patients.\n" in block
    assert "| warp (mix 4) | 5 | " in block
    look = with_tables("<!-- patients: camus -->\n<!-- end -->", tmp_path / "measured")
    assert "| warp (mix 4) | – | 82.7, worth 24 (24 to 24) | 91.2, worth >100 (>100 to >100) | – |" in look
    drawn = figures(tmp_path / "measured")
    assert tmp_path / "measured" / "camus-worth" / "worth.png" in drawn
    answer = with_tables("<!-- answer: camus -->\n<!-- end -->", tmp_path / "measured")
    assert "- **Worth how many patients?** With 5 patients, adding 4 images of warp per frame is worth 24" in answer
    assert "With 20 patients" not in answer, "the answer is for few patients: 5 are nearer to 10 than 20 are"
