"""Tables as text: nothing lost, nothing that LaTeX would stumble over."""

import io
import math
import re
import shutil
import subprocess

import pandas as pd
import pytest

from echobench.results.report.contents import group_tables
from echobench.results.shown.formats import P_VALUE, Table, csv, latex, markdown, shown
from echobench.results.shown.published import paper_table
from echobench.results.shown.tables import cost_table, evidence_table, missed_table, region_table, summary_table

TABLE = Table(
    name="some",
    caption="50 % of a_b & c, s₁² ≤ 2",
    frame=pd.DataFrame(
        {
            "trained on": ["folder:my_50%", "a|b & {c}"],
            "Dice mean": [91.649, math.nan],
            "Dice std": [2.05, math.nan],
            "gain": [1.5, -2.0],
            "gain low": [1.0, math.nan],
            "gain high": [2.0, math.nan],
            "p": [0.0004, 0.0496],
            "parameters": [5717824, 0],
            "energy": [math.nan, math.nan],
            "seeds": [3, 1],
            "why": ["", "100 $"],
        }
    ),
    formats={"Dice": ".1f", "gain": "+.2f", "gain 95 %": "+.1f", "p": P_VALUE},
    notes=("x_1 < 3", "50 %"),
)


def test_pairs_of_columns_become_one_and_empty_columns_go():
    texts = shown(TABLE)
    assert texts.to_dict("list") == {
        "trained on": ["folder:my_50%", "a|b & {c}"],
        "Dice": ["91.6 ± 2.0", "–"],
        "gain": ["+1.50", "-2.00"],
        "gain 95 %": ["+1.0 to +2.0", "–"],
        "p": ["<0.001", "0.050"],
        "parameters": ["5,717,824", "0"],
        "seeds": ["3", "1"],
        "why": ["–", "100 $"],
    }


def test_csv_keeps_every_number_in_full():
    back = pd.read_csv(io.StringIO(csv(TABLE)), keep_default_na=True)
    assert back["Dice mean"].tolist()[0] == 91.649
    assert list(back.columns) == list(TABLE.frame.columns)


def test_markdown_has_as_many_cells_in_every_line():
    lines = markdown(TABLE).splitlines()
    assert len(lines) == 2 + len(TABLE.frame)
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(shown(TABLE).columns) + 1}


def check_latex(text: str, columns: int) -> None:
    """Balanced braces, environments and rows, booktabs' rules, and no special character on its own."""
    assert text.isascii()
    bare = re.sub(r"\\[\\&%$#_{}]", "", text)
    assert not re.search(r"[%#]", bare)
    assert bare.count("{") == bare.count("}")
    assert "_" not in re.sub(r"\$[^$]*\$", "", bare), "outside of mathematics"
    assert bare.count("$") % 2 == 0
    assert re.findall(r"\\begin{(\w+)}", text) == re.findall(r"\\end{(\w+)}", text)[::-1] == ["table", "tabular"]
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in rows} == {columns - 1}
    assert len(re.search(r"\\begin{tabular}{([lr]+)}", text)[1]) == columns


def test_latex_escapes_and_aligns():
    text = latex(TABLE)
    check_latex(text, 8)
    assert r"folder:my\_50\%" in text
    assert r"\begin{tabular}{lrrrrrrl}" in text
    assert r"91.6 $\pm$ 2.0" in text
    assert r"\caption{50 \% of a\_b \& c, s$_1$$^2$ $\leq$ 2}" in text
    assert r"x\_1 $<$ 3 50 \%" in text


@pytest.mark.parametrize("make", [region_table, summary_table, missed_table, cost_table, evidence_table])
def test_every_table_makes_sound_latex(group, make):
    check_latex(latex(make(group)), len(shown(make(group)).columns))


def test_the_papers_table_makes_sound_latex(group):
    table = paper_table([group])
    check_latex(latex(table), len(shown(table).columns))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(group, tmp_path):
    tables = [*group_tables(group), paper_table([group]), TABLE]
    preamble = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
    body = "\n".join(latex(table) + r"\clearpage" for table in tables)
    (tmp_path / "tables.tex").write_text(preamble + body + r"\end{document}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "Overfull" not in done.stdout and f"({len(tables)} pages" in done.stdout


def test_a_table_without_rows_is_still_one():
    empty = Table("none", "nothing", pd.DataFrame({"first": [], "second": []}))
    assert markdown(empty) == "| first | second |\n| --- | --- |\n"
    assert r"\midrule" in latex(empty)


HOSTILE = Table(
    "t", "", pd.DataFrame({"trained on": ["=cmd|' /C calc'!A0", "@x", "-dash", "-1.5", "<b>x</b>"], "n": -1})
)


def test_csv_defuses_formulas_and_leaves_numbers():
    back = pd.read_csv(io.StringIO(csv(HOSTILE)), dtype=str)
    assert back["trained on"].tolist() == ["'=cmd|' /C calc'!A0", "'@x", "'-dash", "-1.5", "<b>x</b>"]
    assert set(back["n"]) == {"-1"}


def test_markdown_holds_no_html():
    assert "| &lt;b>x&lt;/b> |" in markdown(HOSTILE)
    assert "<0.001" in markdown(TABLE)
