"""The process that workers are forked from, where the system can: it imports once what all of them need.

It can begin before the command itself has imported anything, on another core. Nothing here takes long to import.
"""

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.util import get_temp_dir
from typing import Any

_FORKS = "forkserver" in multiprocessing.get_all_start_methods()
_CONTEXT: Any = multiprocessing.get_context("forkserver" if _FORKS else "spawn")
_NEEDED = ["echobench.benchmark.cells.server_end", "echobench.benchmark.cells.processes"]
FOLDER = "ECHOBENCH_SERVER_FOLDER"
"""The environment variable that tells the server where its socket is."""


def begin_server() -> None:
    """Start it, unless it runs. It ends with this process."""
    if _FORKS:
        from multiprocessing.forkserver import ensure_running

        _CONTEXT.set_forkserver_preload(_NEEDED)
        os.environ[FOLDER] = _folder_of_sockets()
        with _interrupts_blocked():
            ensure_running()
        del os.environ[FOLDER]


def _folder_of_sockets() -> str:
    """A folder in TMPDIR; in /tmp, where that leaves too little of the 103 bytes that the name of a socket may have."""
    room = 103 - len("/pymp-12345678/listener-12345678")
    before = tempfile.gettempdir()
    if len(os.fsencode(before)) > room:
        tempfile.tempdir = "/tmp"
    try:
        return get_temp_dir()
    finally:
        tempfile.tempdir = before


def begin_worker(*arguments: Any) -> tuple[BaseProcess, Connection]:
    """A process that carries out `processes.serve` with the arguments, and the connection to it.

    It has the environment that this process has now, whenever the server was begun.
    """
    begin_server()
    ours, theirs = _CONTEXT.Pipe()
    worker = _CONTEXT.Process(target=_serve, args=(theirs, dict(os.environ), *arguments), daemon=True)
    with _interrupts_blocked():
        worker.start()
    theirs.close()
    return worker, ours


def _serve(connection: Connection, environment: Mapping[str, str], *arguments: Any) -> None:
    os.environ.clear()
    os.environ.update(environment)
    from echobench.benchmark.cells.processes import serve

    serve(connection, *arguments)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """A process that is started meanwhile never sees Ctrl-C, which goes to all of them: this one ends it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
