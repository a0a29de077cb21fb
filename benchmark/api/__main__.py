"""`python -m echobench`: the command line."""

from echobench.benchmark.cli.entry import main

main(prog_name="echobench")
