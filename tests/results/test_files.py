"""What all records have in common: versions, what earlier ones lack, hashes, and tables that were edited."""

import json
from dataclasses import dataclass, field

import pandas as pd
import pytest

from echobench.data.base.errors import EchobenchError
from echobench.results.records.files import OF_SCORES, SEAL, MeasuredTable, RecordKind


@dataclass(frozen=True)
class Part:
    name: str
    kept_later: int = 0


@dataclass(frozen=True)
class Record:
    names: dict[str, int]
    parts: list[Part]
    scores_sha256: str = ""
    kept_later: list[str] = field(default_factory=lambda: ["as before"])
    schema: int = 1


KIND = RecordKind(Record, "make it again")
RECORD = Record({"z": 1, "a": 2}, [Part("one")])
TABLE = MeasuredTable(
    "side.csv", ("metric", "value", "by"), ("metric", "by"), "a command", in_place=("metric",), numbers=("value",)
)


@pytest.fixture
def written(tmp_path):
    """record.json and scores.csv."""
    (tmp_path / "scores.csv").write_text("patient,value\n0001,0.5\n")
    KIND.write(tmp_path / "record.json", RECORD, tmp_path / "scores.csv")
    return tmp_path


def change(path, **fields):
    """Fields of a JSON file; None takes one away."""
    document = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({name: value for name, value in document.items() if value is not None}))


def test_a_record_is_read_as_it_was_written(written):
    record, scores = KIND.read_with_scores(written / "record.json", written / "scores.csv")
    assert (record.names, record.parts, len(record.scores_sha256)) == (RECORD.names, RECORD.parts, 64)
    assert scores["patient"].tolist() == ["0001"]
    assert list(record.names) == ["a", "z"]
    ordered = RecordKind(Record, "", keeps_order=True)
    ordered.write(written / "record.json", RECORD)
    assert list(ordered.read(written / "record.json").names) == ["z", "a"]


def test_what_earlier_records_lack_is_what_they_had_and_what_later_ones_add_is_passed_over(written):
    change(written / "record.json", kept_later=None, schema=None, parts=[{"name": "one"}], of_a_later_version=1)
    record = KIND.read(written / "record.json")
    assert (record.kept_later, record.parts) == (["as before"], [Part("one")])


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"schema": 2}, "has schema 2, newer than 1"),
        ({"names": None, "parts": None}, "is damaged: it lacks names, parts; make it again"),
        ({"parts": [{"nobody": 1}]}, r"is damaged: it\.parts\[0\] lacks name; make it again"),
    ],
)
def test_what_cannot_be_read_is_refused(written, fields, sentence):
    change(written / "record.json", **fields)
    with pytest.raises(EchobenchError, match=sentence):
        KIND.read(written / "record.json")


def test_a_cut_record_and_scores_of_another_are_refused(written):
    (written / "scores.csv").write_text("patient,value\n0001,0.6\n")
    with pytest.raises(EchobenchError, match=r"scores\.csv is not what record\.json describes.*make it again"):
        KIND.read_with_scores(written / "record.json", written / "scores.csv")
    (written / "scores.csv").unlink()
    with pytest.raises(EchobenchError, match=r"has record\.json but no scores\.csv"):
        KIND.read_with_scores(written / "record.json", written / "scores.csv")
    for text in ('{"names": ', "[]"):
        (written / "record.json").write_text(text)
        with pytest.raises(EchobenchError, match="damaged or half-written"):
            KIND.read(written / "record.json")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"names": {"a": 1}, "parts": [], "kept_later": ["\\ud800"]}',
        '{"names": {"a": true}, "parts": []}',
        '{"names": {"a": 1}, "parts": {}}',
        '{"names": {"a": 1}, "parts": [5]}',
        '{"names": {"a": 1}, "parts": [], "schema": true}',
        '{"names": {"a": 1e400}, "parts": []}',
        '{"names": {"a": 10000000000000000000000}, "parts": []}',
        '{"names": {"a": 1}, "parts": [], "kept_later": null}',
    ],
)
def test_what_is_of_another_type_is_refused(written, text):
    (written / "record.json").write_text(text)
    with pytest.raises(EchobenchError, match=r"record\.json is damaged.*; make it again"):
        KIND.read(written / "record.json")


@pytest.mark.parametrize(
    "text",
    ["metric,value\na,1\nb,1\n", "metric,value,by\na,x,b\n", "metric,value,by\na,inf,b\n", "metric,value,by\n", ""],
)
def test_a_measured_table_that_cannot_be_is_refused(tmp_path, text):
    lines = [f"{line},{OF_SCORES}" if line == text.splitlines()[0] else f"{line},f" for line in text.splitlines()]
    (tmp_path / "side.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(EchobenchError, match=r"side\.csv is damaged; delete it"):
        TABLE.read(tmp_path)


def rows():
    return pd.DataFrame({"metric": ["a", "b"], "value": [0.25, 1.5], "by": ["x", None]})


def test_a_measured_table_is_of_one_run(tmp_path):
    assert TABLE.missing(tmp_path, "f" * 64) == "no side.csv in the run's folder"
    TABLE.write(tmp_path, "f" * 64, rows())
    assert TABLE.missing(tmp_path, "f" * 64) is None
    assert TABLE.missing(tmp_path, "0" * 64) == TABLE.outdated
    read = TABLE.read(tmp_path)
    assert list(read) == ["metric", "value", "by", OF_SCORES] and read["by"].tolist() == ["x", ""]
    TABLE.write(tmp_path, "f" * 64, pd.DataFrame({"metric": ["not measured"]}))
    assert list(TABLE.read(tmp_path)) == ["metric", OF_SCORES]


def test_an_edited_digit_is_noticed_and_a_table_of_before_there_were_seals_is_read(tmp_path):
    TABLE.write(tmp_path, "f" * 64, rows())
    path = tmp_path / "side.csv"
    sealed = path.read_text()
    path.write_text(sealed.replace("0.25", "0.35"))
    with pytest.raises(EchobenchError, match=r"side\.csv is damaged; delete it, and a command measures it anew"):
        TABLE.read(tmp_path)
    pd.read_csv(path).drop(columns=SEAL).to_csv(path, index=False)
    assert TABLE.read(tmp_path)["value"].tolist() == [0.35, 1.5]
