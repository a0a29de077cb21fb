"""What the server of workers alone imports: when it ends, the folder of its socket goes.

multiprocessing leaves this to the command that began the server, and a command that is killed cannot do it.
"""

import os
import shutil
from multiprocessing.util import Finalize

from echobench.benchmark.cells.server import FOLDER

if folder := os.environ.get(FOLDER):
    Finalize(None, shutil.rmtree, (folder, True), exitpriority=0)
