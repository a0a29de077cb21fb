"""patients.csv, what the dataset says of a run's scored patients. `echobench.benchmark.measure.patients` writes it."""

from echobench.results.records.files import MeasuredTable

PATIENTS = MeasuredTable(
    "patients.csv",
    columns=("patient", "sex", "age_years", "quality_2C", "quality_4C", "ef_percent"),
    texts=("patient", "sex", "quality_2C", "quality_4C"),
    measured_anew="`echobench compare --runs` with --data",
    numbers=("age_years", "ef_percent"),
    keys=("patient",),
)
"""Sex F or M, age in years, image quality of each view in the dataset's words, ejection fraction in %; what the dataset
leaves unsaid is empty."""
