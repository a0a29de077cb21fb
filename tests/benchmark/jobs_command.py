"""`echobench` with the preset tiny, for tests that end it and its workers, which import this file as well."""

import os
import signal

if __name__ == "__main__":
    import pytest
    from conftest import make_known

    from echobench.benchmark.cli.entry import main

    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a test run in the background ignores
    del os.environ["ECHOBENCH_JOBS"]
    make_known(pytest.MonkeyPatch())
    main()
