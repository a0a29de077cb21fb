"""`python -m echobench`: the command line."""

from echobench.benchmark.cli.main import main

main(prog_name="echobench")
