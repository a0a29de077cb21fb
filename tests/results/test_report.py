"""The report: one page that carries everything, says no more than the tables, and leads from numbers to records."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from skimage.io import imsave

from echobench.results.evidence import statistics
from echobench.results.evidence.comparison import Comparison
from echobench.results.records.run import Stage
from echobench.results.report import page as page_module
from echobench.results.report.answer import answer, caveats
from echobench.results.report.contents import group_figures, group_tables
from echobench.results.report.page import NO_REALISM, REPORT, write_report
from echobench.results.shown import formats, tables
from echobench.results.shown.figures import CAPTIONS

VOID = {"meta", "img", "input", "link", "br", "hr"}
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page(HTMLParser):
    """Elements with their attributes, the elements around them and their text; fails where tags do not match."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "around": list(self.open), "text": "", **dict(attributes)}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop()["tag"] == tag, f"</{tag}> closes nothing at {self.getpos()}"

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag, within=None):
        return [e for e in self.elements if e["tag"] == tag and (within is None or within in e["around"])]

    def by_id(self, name):
        (found,) = (e for e in self.elements if e.get("id") == name)
        return found

    def texts(self, table):
        """Rows of a table's body, as text."""
        body = self.all("tbody", table)[0]
        return [
            [e["text"].strip() for e in self.elements if e["tag"] in ("th", "td") and row in e["around"]]
            for row in self.all("tr", body)
        ]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Few resamples, and no figures but for who asks for them: they are tested elsewhere, and take seconds."""
    monkeypatch.setattr(statistics, "RESAMPLES", 99)
    monkeypatch.setattr(page_module, "group_figures", lambda group: {})


@pytest.fixture
def with_figures(quick, monkeypatch):
    monkeypatch.setattr(page_module, "group_figures", group_figures)


@pytest.fixture
def report(tmp_path):
    """Write the report of some runs and read it back."""

    def make(folders, **pictures):
        path = write_report(tmp_path / "report", Comparison.of(folders), **pictures)
        assert path.name == REPORT
        return Page(path.read_text())

    return make


@pytest.fixture
def folders(group):
    return [run.folder for run in group.runs]


@pytest.fixture(scope="module")
def made():
    return {}


@pytest.fixture
def page(made, report, folders):
    """The page of `group`, made once: its runs are the same in every test, but for where they lie."""
    if not made:
        made["page"] = report(folders)
    return made["page"]


def said(group):
    return answer(group, tables.summary_table(group).frame, tables.evidence_table(group).frame)


def warned(group):
    return " ".join(caveats(group, tables.evidence_table(group).frame))


def group_of(*folders):
    (group,) = Comparison.of(folders).groups
    return group


def patients(mean, seed=0):
    rng = np.random.default_rng(seed)
    return {f"p{i:02d}": mean + 0.02 * rng.uniform(-1, 1) for i in range(12)}


def test_the_page_loads_nothing_and_is_whole(page):
    for element in page.elements:
        for name in ("src", "href", "action", "srcset", "poster", "data"):
            if value := element.get(name):
                is_citation = element["tag"] == "a" and value.startswith("https://arxiv.org/")
                assert value.startswith(("#", "data:")) or is_citation, value
    style = page.all("style")[0]["text"]
    assert "url(" not in style and "@import" not in style
    assert not page.all("link") and not [e for e in page.all("script") if "src" in e]
    (policy,) = (e["content"] for e in page.all("meta") if e.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_ids_are_unique_and_every_link_leads_somewhere(page):
    ids = [e["id"] for e in page.elements if "id" in e]
    assert len(ids) == len(set(ids))
    assert {e["href"][1:] for e in page.all("a") if e["href"].startswith("#")} <= set(ids)


def test_every_label_leads_to_its_record(page, group):
    summary = page.by_id("group-1-summary")
    links = {e["text"]: e["href"] for e in page.all("a", summary) if e["href"].startswith("#")}
    assert set(links) == {"real", "sdm", "paint"}
    for run in group.runs:
        record = page.by_id(links[run.label][1:])
        assert any(e["tag"] == "details" for e in record["around"])
        for fact in ("a" * 64, run.record.scores_sha256, "U-Net batch size: 8 (paper: 1)"):
            assert fact in record["text"]
        lines = {e["text"]: i for i, e in enumerate(page.elements) if e["tag"] == "dt" and record in e["around"]}
        assert page.elements[lines["generator, training"] + 1]["text"] == "steps 5000"
        assert str(run.folder.parent) not in record["text"]
    evidence = page.by_id("group-1-evidence")
    assert len([e for e in page.all("a", evidence) if e["href"].startswith("#")]) == 2 * 3


def test_numbers_are_those_of_the_tables(page, group):
    for table in group_tables(group):
        found = page.by_id(f"group-1-{table.name}")
        assert page.texts(found) == formats.shown(table).to_numpy().tolist()
        heads = [e["text"].strip() for e in page.all("th", page.all("thead", found)[0])]
        assert heads == list(formats.shown(table))
        assert table.caption in page.all("caption", found)[0]["text"]
    dice = tables.region_table(group)
    assert formats.shown(dice)["mean"][0] in page.by_id("group-1-dice")["text"]


def test_figures_have_words_and_pictures_of_themselves(with_figures, report, folders):
    page = report(folders)
    assert [e["text"] for e in page.all("figcaption")] == [
        CAPTIONS[n].format(whom="test patients") for n in ("dice", "regions", "cost", "training")
    ]
    images = page.all("img")
    assert len(images) == 4 and all(e["src"].startswith("data:image/svg+xml;base64,") and e["alt"] for e in images)


def test_the_same_records_make_the_same_page(with_figures, folders, tmp_path):
    first, second = (write_report(tmp_path / name, Comparison.of(folders)) for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


def test_everything_is_there_without_scripts(page):
    assert not [e for e in page.elements if "hidden" in e and e.get("class") != "chooser"]
    for table in page.all("table"):
        assert page.all("caption", table) and page.all("thead", table)
        assert all(e.get("scope") in ("row", "col") for e in page.all("th", table))


def test_what_records_say_is_escaped(report, add_run, add_failure):
    evil = '<img src=x onerror="alert(1)">'
    page = report([add_run(f"folder:{evil}", patients(0.8), name="evil", dataset=evil), add_failure("sdm", evil)])
    assert not [e for e in page.elements if "onerror" in e]
    assert evil in page.all("h1")[0]["text"]
    assert evil in page.by_id("group-1-failures")["text"]


def test_the_best_is_called_so_when_it_is_better_than_each_other(group):
    first, second, third, last = said(group)
    row = formats.shown(tables.summary_table(group)).set_index("trained on").loc["sdm"]
    dice = f"{row['Dice']} % (95 % interval {row['Dice 95 %']})"
    assert first == f"sdm is the best of 2 generators: its mean Dice is {dice}."
    assert second == "It is better than paint."
    assert third.startswith("It is worse than the U-Net trained on real frames (real, 9")
    machine = "A processor, 2 cores, 2 threads, instruction sets AVX-512, AVX2"
    assert last == f"sdm was trained for 30 minutes and drew an image in 0.1 s ({machine})."


def test_nobody_is_best_who_is_not_told_apart(add_run, make_scores):
    seeds = (-0.001, 0.0, 0.001)
    draws = [Stage("draw-training-4C", 1.0, 100, items=100)]
    group = group_of(
        add_run("sdm", make_scores(patients(0.85, 1), seeds=seeds)),
        add_run("warp", make_scores(patients(0.849, 2), seeds=seeds), parameters=0, stages=draws),
    )
    first, second, *costs = said(group)
    assert first.startswith("No generator is shown to be better than the others: ")
    assert "has the highest mean Dice" in first and "cannot be told apart from" in second and "best" not in first
    assert "warp needed no training and drew an image in 0.01 s" in " ".join(costs)
    assert "“Not distinguishable” means that" in warned(group)


def test_nothing_is_called_cheaper_by_the_seconds_of_another_machine(add_run, make_scores):
    scores = {seed: make_scores(patients(0.85, seed), seeds=(-0.001, 0.0, 0.001)) for seed in (1, 2)}
    draws = [Stage("draw-training-4C", 1.0, 100, items=100)]
    gpu = {"processor": "A processor", "cores": 2, "device": "A GPU", "torch_threads": 1}
    group = group_of(add_run("sdm", scores[1]), add_run("warp", scores[2], parameters=0, stages=draws, machine=gpu))
    assert "cost" not in " ".join(said(group)) and "cheapest" not in " ".join(said(group))


def test_one_seed_decides_nothing_and_the_page_says_so(add_run, make_scores):
    group = group_of(add_run("sdm", patients(0.9)), add_run("paint", patients(0.6)))
    assert said(group)[1] == "It is undecided against paint."
    assert warned(group).startswith("paint and sdm: one U-Net seed.")


def test_one_generator_and_none(add_run):
    assert said(group_of(add_run("sdm", patients(0.9))))[0].startswith("sdm is the only generator here: its mean Dice")
    assert said(group_of(add_run("real", patients(0.9)))) == [
        "Only real frames were run: there is no generator to judge."
    ]


def test_cost_of_what_was_drawn_elsewhere_is_not_known(add_run):
    assert said(group_of(add_run("folder:x", patients(0.9))))[1].startswith("What folder:x cost is unknown")


def test_failures_differences_and_lone_runs_are_told(report, add_run, add_failure):
    other = {"training": "1" * 64, "testing": "1" * 64, "split": "c" * 64}
    page = report([
        add_run("real", patients(0.9)), add_failure("sdm", "the disk is full"),
        add_run("paint", patients(0.6), fingerprints=other), add_failure("warp", "no data", settings={"view": "2C"}),
    ])  # fmt: skip
    assert "the disk is full" in page.by_id("group-1-failures")["text"]
    assert "sdm is not in the answer: failed in fit-4C" in page.by_id("answer")["text"]
    (link,) = (e for e in page.all("a", page.by_id("group-1-summary")) if e["text"] == "sdm")
    assert link["href"] == "#group-1-failures"
    apart = page.by_id("apart")["text"]
    assert "are tables of their own: training frames aaaaaaaa and 11111111" in apart
    assert "no data" in apart
    assert "there is nothing to compare it with" in page.by_id("group-2")["text"]


def test_where_nothing_has_finished_the_page_has_the_reasons(report, add_failure):
    page = report([add_failure("sdm", "the disk is full")])
    assert "No run has finished" in page.by_id("answer")["text"]
    assert "the disk is full" in page.by_id("apart")["text"]


def test_deviations_that_all_share_are_said_once(report, add_run):
    page = report([
        add_run("real", patients(0.9)),
        add_run("sdm", patients(0.8), deviations=["unet.batch_size: 8, paper 1", "maps.repeats: 2, paper 5"]),
    ])  # fmt: skip
    section, shared, own = page.by_id("group-1-deviations")["text"], "U-Net batch size: 8 (paper: 1)", "maps repeats: 2"
    assert section.count(shared) == 1 and section.index(shared) < section.index(own)


def test_table_1_is_there_for_real_data_and_not_for_the_phantom(report, add_run):
    page = report([add_run("sdm", patients(0.8)), add_run("real", patients(0.9))])
    paper = page.by_id("paper-1")
    assert {e["text"] for e in page.all("a", paper)} >= {"sdm, 4C", "real, 4C"}
    page = report([add_run("sdm", patients(0.8), name="phantom", dataset="phantom")])
    assert not [e for e in page.elements if e.get("id") == "paper-1"]
    answer = page.by_id("answer")["text"]
    assert "It cannot say which generator is best for patients" in answer
    assert "trained on the phantom's frames" in answer and "real frames" not in answer
    assert page.all("h1")[0]["text"] == "One generator of echocardiograms on the phantom (four-chamber view)"


SECTIONS = ("In one look", "Dice", "Evidence", "Distances", "Missed structures", "Realism", "Cost")


def test_the_verdicts_come_first_and_what_is_behind_them_is_folded(page):
    order = [
        e.get("id") or e["tag"] for e in page.elements if e.get("id") in ("answer", "group-1") or e["tag"] == "nav"
    ]
    assert order == ["answer", "nav", "group-1"]
    verdicts = page.by_id("group-1-verdicts")
    assert [row[0] for row in page.texts(verdicts)] == ["sdm", "paint"]
    heads = [e["text"] for e in page.all("th", page.all("thead", verdicts)[0])]
    assert heads == ["generator", "use", "weakest part", "for whom", "realism", "copies", "follows its map",
                     "other data", "cost", "uses real images"]  # fmt: skip
    assert {e["class"] for e in page.all("td", verdicts)} <= {"good", "fair", "bad", "open"}
    parts = [e for e in page.all("details", page.by_id("group-1")) if e.get("class") == "part"]
    assert [page.all("h3", part)[0]["text"] for part in parts][: len(SECTIONS)] == list(SECTIONS)
    assert not [e for e in page.all("details") if "open" in e]
    for table in page.all("table"):
        assert table is verdicts or any(e["tag"] == "details" for e in table["around"])


def test_a_stress_beside_the_runs_is_a_part_of_the_page(with_figures, report, folders, add_stress):
    (add_stress({}) / "pictures").mkdir()
    imsave(
        folders[0].parent / "a-stress" / "pictures" / "severity-1.png", np.zeros((4, 4), np.uint8), check_contrast=False
    )
    page = report(folders)
    (part,) = (e for e in page.all("details") if [h["text"] for h in page.all("h3", e)] == ["Extreme label maps"])
    assert [row[0] for row in page.texts(page.by_id("group-1-stress-1-ladder"))] == ["none", "swirl"]
    assert "sdm follows ordinary maps" in part["text"] and len(page.all("figcaption", part)) == 3
    first, *_ = page.texts(page.by_id("group-1-verdicts"))
    assert first[6].startswith("follows ordinary maps; first loses swirl, at severity 1")
    assert "It follows ordinary maps; first loses swirl, at severity 1." in page.by_id("answer")["text"]
    assert "was not tested" not in page.by_id("answer")["text"]


def test_pictures_are_small_on_the_page(report, folders):
    """Five pictures of a run, as large as those are: noise, which nothing makes small but losing what nobody sees."""
    rng = np.random.default_rng(0)
    for folder in folders:
        (folder / "pictures").mkdir()
        for name in ("drawn", "predicted"):
            image = rng.integers(0, 256, (720, 1760)).astype(np.uint8)
            imsave(folder / "pictures" / f"{name}.png", image, check_contrast=False)
    sizes = [len(e["src"]) for e in report(folders).all("img") if e["src"].startswith("data:image/webp")]
    assert len(sizes) == 6 and max(sizes) < 0.5 * 720 * 1760


def test_realism_is_said_to_be_missing(page):
    assert NO_REALISM in page.by_id("group-1")["text"]


def test_records_alone_have_no_pictures_and_no_chooser(page):
    assert not page.all("fieldset") and "frames of real patients" not in page.all("header")[0]["text"]


def test_pictures_that_runs_left_are_shown_with_a_warning(report, folders):
    (folders[0] / "pictures").mkdir()
    imsave(folders[0] / "pictures" / "drawn.png", np.zeros((4, 4), np.uint8), check_contrast=False)
    page = report(folders)
    (image,) = (e for e in page.all("img") if e["src"].startswith("data:image/webp"))
    assert image["alt"].startswith("real: what was drawn")
    assert "shows frames of real patients" in page.all("header")[0]["text"]


@pytest.fixture
def pictures(tmp_path):
    """Three rows of a panel, two maps; paint lacks one; sdm has contours of the other."""
    found = {}
    for name, maps in (("label map", "ab"), ("sdm", "ab"), ("paint", "a")):
        found[name] = tmp_path / "panel" / name
        found[name].mkdir(parents=True)
        for one in maps:
            imsave(found[name] / f"{one}.png", np.full((4, 4), len(name), np.uint8), check_contrast=False)
    imsave(found["sdm"] / "a.contours.png", np.zeros((4, 4, 4), np.uint8), check_contrast=False)
    return found


def test_the_panel_has_a_row_for_each_who_drew_and_a_chooser(report, folders, pictures):
    page = report(folders, pictures=pictures)
    panel = page.by_id("panel")
    rows = page.all("tr", page.all("tbody", panel)[0])
    assert [len(page.all("img", row)) for row in rows] == [2, 3, 1]
    assert [e["alt"] for e in page.all("img", rows[1])] == ["sdm, a", "", "sdm, b"]
    assert {e["text"]: e["href"] for e in page.all("a", panel)}["sdm"] == "#group-1-run-3"
    assert [e["text"] for e in page.all("option", panel)] == ["all", "a", "b"]
    assert "shows frames of real patients" in page.all("header")[0]["text"]


def test_pictures_that_are_not_there_leave_no_gap(report, folders, tmp_path):
    page = report(folders, pictures={"sdm": tmp_path / "nowhere"})
    assert not [e for e in page.elements if e.get("id") == "panel"]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")
def test_in_a_browser_tables_sort_links_open_records_and_the_panel_chooses(folders, pictures, add_stress, tmp_path):
    add_stress({})
    path = write_report(tmp_path / "report", Comparison.of(folders), pictures)
    probe = """<script>
      const column = n => [...document.querySelectorAll("#group-1-summary tbody tr")]
        .map(row => row.cells[n].textContent.trim());
      const found = [];
      const button = document.querySelectorAll("#group-1-summary thead button")[1];
      button.click(); found.push(column(0).join());
      button.click(); found.push(column(0).join());
      const maps = document.querySelector("[data-maps]");
      maps.value = "1"; maps.dispatchEvent(new Event("change", { bubbles: true }));
      const row = document.querySelector("[data-of-row='0']");
      row.click();
      const shown = [...document.querySelectorAll("#panel tbody img:not(.contours)")].filter(i => i.checkVisibility());
      found.push(shown.map(i => i.alt).join());
      found.push([...document.querySelectorAll("#group-1-records details")].map(d => d.open).join());
      found.push(document.querySelector("#group-1-records").open, document.querySelector("#group-1-1").open);
      found.push([...document.querySelectorAll("h1, h2, h3")].map(h => h.textContent).join());
      document.title = found.join(" | ");
    </script></body>"""
    path.write_text(path.read_text().replace("</body>", probe))
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=2000", "--dump-dom", f"{path.as_uri()}#group-1-run-2",
    ]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    title = re.search("<title>(.*?)</title>", dom)[1]
    assert title.startswith(
        "paint,sdm,real | real,sdm,paint | sdm, b | false,true,false | true | false | Two generators"
    )
    headings = title.rpartition(" | ")[2]
    assert all(section in headings for section in (*SECTIONS, "Extreme label maps", "Records"))
