"""Where generators stop following: scores made here, so that the answer is known."""

import numpy as np
import pandas as pd
import pytest

from echobench.results.evidence.adherence import (
    DOUBT,
    FOLLOWS,
    IDEAL,
    LOST,
    UNDEFORMED,
    decay,
    inverted,
    lost_maps,
)
from echobench.results.records.stress import STRESS_COLUMNS
from echobench.results.shown import formats
from echobench.results.shown.stress_figure import CAPTIONS, IGNORED, WIDEST, stress_figures
from echobench.results.shown.stress_finding import finding
from echobench.results.shown.stress_tables import decay_table, ladder_table, ordinary_table, structure_table

PATIENTS = tuple(f"patient{number:04d}" for number in range(8))
STRUCTURES = {"dice": ("LVendo", "LVepi", "LA"), "contrast": ("LVendo", "LA")}
START = {"dice": (0.9, 0.5), "contrast": (0.8, 0.55)}
"""Of an image beside its own map, and beside another patient's."""


def rows(generator, deformation, severity, dice, contrast, *, patients=PATIENTS, structures=STRUCTURES):
    """Raw rows of a cell; dice and contrast: (of the image, of the undeformed one beside the map).

    Nothing is known of the undeformed image at the same place.
    """
    return pd.DataFrame(
        [
            (
                generator,
                deformation,
                severity,
                patient,
                structure,
                measure,
                *(np.array([values[0], np.nan, values[1]]) + 0.01 * (number % 3 - 1)),
            )
            for number, patient in enumerate(patients)
            for measure, values in (("dice", dice), ("contrast", contrast))
            for structure in structures[measure]
        ],
        columns=list(STRESS_COLUMNS),
    )


def together(*parts):
    undeformed = [rows(name, UNDEFORMED, 0.0, *START.values()) for name in (IDEAL, "sdm")]
    return pd.concat([*undeformed, *parts], ignore_index=True)


def cell(scores, generator="sdm", deformation="swirl", severity=1.0):
    cells = decay(scores).cells.set_index(["generator", "deformation", "severity"])
    return cells.loc[(generator, deformation, severity)]


def swirl(generator, dice, contrast, severity=1.0, **named):
    return rows(generator, "swirl", severity, (dice, 0.4), (contrast, 0.5), **named)


IDEAL_SWIRL = swirl(IDEAL, 0.9, 0.8)


@pytest.mark.parametrize(
    ("dice", "contrast", "verdict"),
    [
        (0.85, 0.75, FOLLOWS),
        (0.40, 0.50, LOST),
        (0.55, 0.60, LOST),  # nearer to the floor
        (0.70, 0.70, FOLLOWS),
        (0.85, 0.50, DOUBT),  # the measures contradict each other
        (0.65, 0.75, FOLLOWS),  # Dice in the middle cannot tell, contrast can
    ],
)
def test_a_map_is_lost_below_the_middle_of_floor_and_ceiling(dice, contrast, verdict):
    assert cell(together(IDEAL_SWIRL, swirl("sdm", dice, contrast)))["verdict"] == verdict


def test_scores_are_relative_to_the_same_generator_at_severity_0():
    found = cell(together(IDEAL_SWIRL, swirl("sdm", 0.72, 0.62)))
    assert found["dice"] == pytest.approx(0.72, abs=0.01)
    assert found["dice kept"] == pytest.approx(0.8, abs=0.01)
    assert found["contrast kept"] == pytest.approx(0.4, abs=0.02)  # 0.12 of 0.30 above chance
    assert found["dice floor"] == pytest.approx(0.4 / 0.9, abs=0.01)
    assert found["dice share"] == pytest.approx((0.72 - 0.4) / (0.9 - 0.4), abs=0.01)


def test_what_the_ideal_loses_is_not_held_against_others():
    lossy = swirl(IDEAL, 0.6, 0.8)
    found = cell(together(lossy, swirl("sdm", 0.6, 0.8)))
    assert found["dice ceiling"] == pytest.approx(0.6 / 0.9, abs=0.01)
    assert found["dice share"] == pytest.approx(1, abs=0.01)
    assert found["dice verdict"] == FOLLOWS
    assert cell(together(IDEAL_SWIRL, swirl("sdm", 0.6, 0.8)))["dice verdict"] == LOST
    better = swirl(IDEAL, 1.0, 0.9)  # a gain is not asked of anybody
    assert cell(together(better, swirl("sdm", 0.9, 0.8)))["dice ceiling"] == pytest.approx(1)


def test_where_the_ideal_has_no_image_contrast_alone_has_a_say():
    """Nothing shows there that the reference U-Net could see what it is asked about."""
    unwarped = cell(together(swirl("sdm", 0.4, 0.8)))
    assert np.isnan(unwarped["dice ceiling"]) and unwarped["dice kept"] == pytest.approx(0.4 / 0.9, abs=0.01)
    assert unwarped["dice verdict"] == DOUBT
    assert unwarped["contrast ceiling"] == pytest.approx(1)
    assert unwarped["verdict"] == FOLLOWS
    scores = together(swirl("sdm", 0.9, 0.5))
    assert cell(scores)["verdict"] == LOST
    said = finding(decay(scores), scores)[1]
    assert "it keeps 0 % of its contrast (followed 100, ignored 0). There it has Dice 90 % and contrast 50 %." in said


def test_marks_that_hardly_differ_are_not_told_apart():
    scores = together(IDEAL_SWIRL, rows("sdm", "swirl", 1.0, (0.86, 0.87), (0.78, 0.795)))
    found = cell(scores)
    assert (found["dice verdict"], found["contrast verdict"]) == (DOUBT, DOUBT)
    assert not lost_maps(decay(scores))


def test_who_ignores_its_map_undeformed_is_told_so():
    blind = [
        rows("blind", UNDEFORMED, 0.0, (0.5, 0.5), (0.55, 0.55)),
        swirl("blind", 0.4, 0.5),
    ]
    scores = together(IDEAL_SWIRL, swirl("sdm", 0.9, 0.8), *blind)
    assert cell(scores, "blind", UNDEFORMED, 0.0)["verdict"] == LOST
    assert cell(scores, "sdm", UNDEFORMED, 0.0)["verdict"] == FOLLOWS
    assert cell(scores, IDEAL)["verdict"] == FOLLOWS
    said = finding(decay(scores), scores)[2]
    assert said.startswith("blind does not follow ordinary maps, so it follows none: it has Dice 50 %")
    assert ladder_table(decay(scores), "phantom").frame["blind"].tolist() == ["lost: Dice 50, contrast 55", "0 (40)"]


def test_a_structure_that_is_drawn_inverted_keeps_its_contrast_as_long_as_it_stays_so():
    """Held against itself; nobody is said to follow a map for that."""
    bright = {"dice": STRUCTURES["dice"], "contrast": ("LA",)}
    parts = [
        rows("gan", UNDEFORMED, 0.0, (0.9, 0.5), (0.1, 0.45), structures=bright),
        rows("gan", "swirl", 1.0, (0.9, 0.4), (0.12, 0.5), structures=bright),
    ]
    scores = together(IDEAL_SWIRL, swirl("sdm", 0.9, 0.8), *parts)
    assert [(name, structure) for name, structure, _ in inverted(scores)] == [("gan", "LA")]
    assert cell(scores, "gan")["contrast verdict"] == cell(scores, "gan")["relative verdict"] == FOLLOWS
    assert cell(scores, "gan")["verdict"] == LOST
    assert "LA is inverted, blood brighter than tissue (contrast 10 %)." in finding(decay(scores), scores)[2]


def test_patients_to_whom_a_deformation_does_not_apply_count_on_neither_side():
    few = PATIENTS[:4]
    scores = together(swirl(IDEAL, 0.9, 0.8, patients=few), swirl("sdm", 0.9, 0.8, patients=few))
    scores.loc[(scores["deformation"] == UNDEFORMED) & ~scores["patient"].isin(few), "value"] = 0.1
    found = cell(scores)
    assert found["patients"] == 4
    assert found["dice kept"] == pytest.approx(1, abs=0.01)


def test_a_structure_without_a_value_is_left_out():
    scores = together(IDEAL_SWIRL, swirl("sdm", 0.9, 0.8))
    gone = scores["measure"].str.startswith("contrast") & (scores["structure"] == "LA") & (scores["severity"] == 1)
    scores.loc[gone, "value"] = np.nan
    assert cell(scores)["contrast kept"] == pytest.approx(1, abs=0.01)


def test_one_patient_proves_nothing():
    one = PATIENTS[:1]
    scores = together(swirl(IDEAL, 0.9, 0.8, patients=one), swirl("sdm", 0.4, 0.5, patients=one))
    assert cell(scores)["verdict"] == DOUBT


@pytest.fixture
def scores():
    """sdm follows shear, loses swirl from 0.5 on, and is in doubt about the rim, which warp cannot draw."""
    parts = []
    for name, dice in ((IDEAL, 0.9), ("sdm", 0.4)):
        parts += [swirl(name, 0.9, 0.8, 0.25), swirl(name, dice, 0.8 if name == IDEAL else 0.5, 0.5)]
        parts += [rows(name, "shear", severity, (0.9, 0.4), (0.8, 0.5)) for severity in (0.25, 0.5)]
    parts += [rows("sdm", "rim", 0.25, (0.9, 0.4), (0.8, 0.5)), rows("sdm", "rim", 0.5, (0.9, 0.4), (0.5, 0.795))]
    return together(*parts)


def test_the_mildest_severity_in_a_table_and_in_words(scores):
    found = decay(scores)
    ladder = ladder_table(found, "phantom").frame.set_index("deformation")
    assert list(ladder.index) == [UNDEFORMED, "swirl", "shear", "rim"]
    assert list(ladder.columns) == [IDEAL, "sdm"]
    assert ladder["sdm"].tolist() == ["follows: Dice 90, contrast 80", "0.5 (40)", "follows (90)", "0.5?"]
    assert ladder[IDEAL].tolist()[1:3] == ["follows (90)"] * 2 and pd.isna(ladder.loc["rim", IDEAL])
    ideal, sdm, order = finding(found, scores)
    values = "Dice 90 % and contrast 80 %"
    assert ideal.startswith(f"warp, the ideal, has {values} on ordinary maps. On deformed ones it keeps at least 100 %")
    assert sdm.startswith(f"sdm follows ordinary maps: it has {values} (warp: {values}).")
    assert "Its Dice is below warp's from severity 0.5 on: swirl." in sdm
    assert "The gap is largest at swirl, severity 0.5: 40 % (-50.0 points, 95 % interval -50.0 to -50.0)." in sdm
    assert "it stops following at swirl, severity 0.5: it keeps 44 % of its Dice (followed 100" in sdm
    assert "It follows shear to the last severity. In doubt: rim (from 0.5)." in sdm
    assert order.endswith("warp 89.9 %; sdm 77.4 %, below warp (-12.5 points, 95 % interval -12.5 to -12.5).")


def test_a_doubt_that_a_later_severity_clears_is_none(scores):
    mild = [rows(name, "shear", 0.1, (0.9, 0.899), (0.8, 0.799)) for name in (IDEAL, "sdm")]
    scores = pd.concat([scores, *mild], ignore_index=True)
    assert cell(scores, deformation="shear", severity=0.1)["verdict"] == DOUBT
    assert ladder_table(decay(scores), "phantom").frame.set_index("deformation").loc["shear", "sdm"] == "follows (90)"


def test_who_is_in_doubt_on_ordinary_maps_follows_none(scores):
    here = (scores["generator"] == "sdm") & (scores["deformation"] == UNDEFORMED) & (scores["measure"] == "contrast")
    scores.loc[here, "value"] = 0.55
    found = decay(scores)
    ladder = ladder_table(found, "phantom").frame["sdm"].tolist()
    assert ladder == ["in doubt: Dice 90, contrast 55", "0.5 (40)", "0? (90)", "0?"]
    said = finding(found, scores)[1]
    assert said.startswith("sdm may not follow ordinary maps, so it is not said to follow any: it has Dice 90 %")
    assert "It follows" not in said and "it stops following at swirl, severity 0.5" in said


def test_contrast_is_held_against_the_same_place_undeformed():
    """A wall that is weak in the undeformed image as well is not lost where it is as weak in the deformed one."""
    weak = swirl("sdm", 0.65, 0.58)
    assert cell(together(IDEAL_SWIRL, weak))["contrast verdict"] == LOST
    at_place = weak["start"].where(weak["measure"] == "dice", 0.58)
    assert cell(together(IDEAL_SWIRL, weak.assign(start=at_place)))["contrast verdict"] == FOLLOWS


def test_pictures_mark_what_the_table_calls_lost(scores):
    """Whatever a single patient's image is like."""
    scores.loc[(scores["deformation"] == "swirl") & (scores["patient"] == PATIENTS[0])
               & (scores["measure"] == "contrast") & (scores["generator"] == "sdm"), "value"] = 0.8  # fmt: skip
    found = decay(scores)
    table = decay_table(found, "phantom").frame
    lost = table[table["verdict"] == LOST]
    assert lost_maps(found) == {("sdm", "swirl", 0.5)}
    assert lost[["generator", "deformation", "severity"]].to_numpy().tolist() == [["sdm", "swirl", 0.5]]


def test_tables_have_every_form(scores):
    found = decay(scores)
    table = decay_table(found, "phantom")
    assert list(table.frame["generator"].unique()) == [IDEAL, "sdm"]
    assert len(table.frame) == 2 + 4 + 6
    structures = structure_table(scores, "phantom")
    assert list(structures.frame.columns[3:]) == [
        "Dice LVendo",
        "Dice LVepi",
        "Dice LA",
        "contrast LVendo",
        "contrast LA",
    ]
    ordinary = ordinary_table(found, "phantom")
    assert ordinary.frame["structure"].tolist() == [*STRUCTURES["dice"], "mean"] * 2
    for one in (table, structures, ordinary, ladder_table(found, "phantom")):
        assert len(formats.markdown(one).splitlines()) == len(one.frame) + 2
        assert formats.csv(one) and "tabular" in formats.latex(one)


@pytest.mark.parametrize("name", sorted(CAPTIONS))
def test_a_figure_has_a_panel_per_deformation_and_a_line_per_generator(scores, name, tmp_path, small_texts):
    figure = stress_figures(decay(scores))[name]
    assert not small_texts(figure)
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["swirl", "shear", "rim"]
    lines = [[line for line in axes.get_lines() if len(line.get_xdata()) == 3] for axes in panels]
    assert [len(one) for one in lines] == [3, 3, 2]  # with what an image has that ignored the deformation
    start = {"adherence-dice": 90, "adherence-contrast": 80}.get(name, 100)
    np.testing.assert_allclose(lines[0][1].get_ydata()[:2], [start, start], atol=1)
    figure.savefig(tmp_path / "figure.png", dpi=50)


def test_a_figure_names_who_follows_no_ordinary_map(scores):
    scores.loc[(scores["generator"] == "sdm") & (scores["structure"] == "LA"), "value"] = 0.2
    figure = stress_figures(decay(scores))["adherence-dice"]
    (legend,) = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    assert [text.get_text() for text in legend.get_texts()] == [IDEAL, "sdm: follows none", IGNORED]


def test_no_line_leaves_the_axes_unseen():
    """sdm has next to no contrast at severity 0: what it has later is many times that."""
    (start,) = [rows("sdm", UNDEFORMED, 0.0, START["dice"], (0.51, 0.5))]
    later = [rows("sdm", "swirl", s, START["dice"], (0.51 + s / 4, 0.5)) for s in (0.5, 1.0)]
    ideal = [rows(IDEAL, "swirl", s, START["dice"], START["contrast"]) for s in (0.5, 1.0)]
    ordinary = rows(IDEAL, UNDEFORMED, 0.0, *START.values())
    (axes, *_) = stress_figures(decay(pd.concat([ordinary, start, *ideal, *later])))["decay-contrast"].axes
    at_the_edge = [line for line in axes.get_lines() if line.get_marker() == "^" and len(line.get_xdata()) == 1]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in at_the_edge] == [(0.5, WIDEST[1]), (1.0, WIDEST[1])]
    assert axes.get_ylim()[1] == WIDEST[1]
