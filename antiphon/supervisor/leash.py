"""Runs a module so that it ends with the process that started it, whatever ended that one.

    python -P leash.py MODULE [ARGUMENT...]

Run as a file and not as a module, so that it costs its process no import of ours; it leads a process group of its own.

The starter holds the other end of this process's standard input and never writes. When the starter is gone, even by
SIGKILL, the operating system closes that end: the module and what it started get SIGTERM, and SIGKILL later. Pipes do
this everywhere; telling a child of its parent's death in any other way works on one system only.
"""

import os
import runpy
import signal
import sys
import threading

GRACE_SECONDS = 10.0


def _watch() -> None:
    while os.read(0, 1):
        pass
    kill = threading.Timer(GRACE_SECONDS, os.killpg, (os.getpgrp(), signal.SIGKILL))
    kill.daemon = True
    kill.start()
    os.killpg(os.getpgrp(), signal.SIGTERM)


def main() -> None:
    """Run the module that the command line names."""
    module = sys.argv[1]
    threading.Thread(target=_watch, name="leash", daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
