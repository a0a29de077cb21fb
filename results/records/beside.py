"""What is measured of a finished run and is kept beside its record: `--force` removes it, and `verify` looks at it."""

from echobench.results.records.ejection import EJECTION
from echobench.results.records.patients import PATIENTS
from echobench.results.records.realism import CURVES, REALISM

MEASURED = (REALISM, CURVES, EJECTION, PATIENTS)
