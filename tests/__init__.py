"""Mirrors the folders; a package, so that `python -m tests.campaign` is not torch-fidelity's `tests`."""
