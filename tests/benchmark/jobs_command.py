"""`echobench` with the preset tiny, for tests that end it and its workers, which import this file as well."""

import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    import pytest

    sys.path.insert(0, str(Path(__file__).parents[2]))
    from echobench.benchmark.cli.entry import main
    from tests.benchmark.conftest import make_known

    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a test run in the background ignores
    del os.environ["ECHOBENCH_JOBS"]
    make_known(pytest.MonkeyPatch())
    main()
