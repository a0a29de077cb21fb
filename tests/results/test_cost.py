"""What seconds hang on: processor, threads, instruction sets, and what older records do not tell."""

from dataclasses import replace

from echobench.results.evidence.comparison import Comparison
from echobench.results.evidence.cost import conditions, machine, told_once
from echobench.results.records.run import Stage
from echobench.results.shown.tables import WHO, cost_table

NEW = {"processor": "P", "cores": 2, "device": "cpu", "torch_threads": 2, "instruction_sets": ["AMX bf16", "AVX2"]}
OLD = {"processor": "P", "cores": 2, "device": "cpu", "torch_threads": 1}
DICE = {"a": 0.8, "b": 0.6}


def test_a_record_says_its_processor_threads_and_instruction_sets():
    assert conditions(NEW) == {"processor": "P, 2 cores", "threads": "2", "instruction sets": "AMX bf16, AVX2"}


def test_what_an_older_record_does_not_tell_is_said_to_be_missing():
    assert conditions(OLD)["instruction sets"] == "not recorded"
    oldest = {name: value for name, value in OLD.items() if name != "torch_threads"}
    assert conditions(oldest)["threads"] == "not recorded"


def test_a_processor_without_any_is_not_one_of_an_older_record():
    assert conditions(NEW | {"instruction_sets": []})["instruction sets"] == "none that matter"


def test_stages_know_their_own_threads():
    stages = [Stage("fit-4C", 1, 1, threads=4), Stage("unet-0", 1, 1, threads=1)]
    assert conditions(NEW, stages)["threads"] == "1 and 4"
    assert conditions(NEW, [replace(stages[0], taken=True), stages[1]])["threads"] == "1"
    assert conditions(NEW, [stages[0], Stage("read", 1, 1)])["threads"] == "2 and 4", "one of before they were kept"


def test_a_run_that_moved_names_both_machines_but_not_that_of_what_it_took():
    stages = [Stage("fit-4C", 1, 1, threads=2, processor="Q, 16 cores, A card"), Stage("unet-0", 1, 1, threads=2)]
    assert conditions(NEW, stages)["processor"] == "P, 2 cores and Q, 16 cores, A card"
    assert conditions(NEW, [replace(stages[0], taken=True), stages[1]])["processor"] == "P, 2 cores"


def test_jobs_that_share_a_machine_stand_beside_its_seconds():
    stages = [Stage("fit-4C", 1, 1, threads=2, jobs=3), Stage("unet-0", 1, 1, threads=2)]
    assert conditions(NEW, stages)["processor"] == "P, 2 cores, up to 3 jobs at a time"
    assert conditions(NEW, [replace(one, taken=True) for one in stages])["processor"] == "P, 2 cores"


def test_a_gpu_and_several_processes_are_part_of_the_machine(add_run):
    folder = add_run("sdm", DICE, machine=NEW | {"device": "A card", "processes": 4, "torch_threads": 1})
    (run,) = Comparison.of([folder]).groups[0].runs
    assert machine(run.record) == "P, 2 cores, A card, 4 processes, 1 thread, instruction sets AMX bf16, AVX2"


def test_what_all_agree_in_is_said_once_and_the_rest_has_columns():
    said, columns = told_once([conditions(NEW), conditions(NEW | {"torch_threads": 1})])
    assert said == "P, 2 cores, instruction sets AMX bf16, AVX2; threads in a column"
    assert columns == [{"threads": "2"}, {"threads": "1"}]
    said, columns = told_once([conditions(NEW), conditions(NEW | {"device": "A card"}), conditions(NEW)])
    first = "P, 2 cores, 2 threads, instruction sets AMX bf16, AVX2"
    assert said == f"machine 1: {first}; machine 2: {first.replace('cores,', 'cores, A card,')}"
    assert [column["machine"] for column in columns] == ["1", "2", "1"]
    assert told_once([conditions(OLD)]) == ("P, 2 cores, 1 thread, instruction sets not recorded", [{}])


def test_threads_stand_beside_the_seconds_where_they_differ(add_run):
    folders = [add_run("sdm", DICE, machine=NEW), add_run("paint", DICE, machine=OLD)]
    table = cost_table(Comparison.of(folders).groups[0])
    rows = table.frame.set_index(WHO)
    assert rows["threads"].to_dict() == {"sdm": "2", "paint": "1"}
    assert rows["instruction sets"].to_dict() == {"sdm": "AMX bf16, AVX2", "paint": "not recorded"}
    assert "processor" not in rows and "P, 2 cores" in table.caption
