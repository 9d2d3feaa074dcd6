"""A supervised process that follows a script, given as its arguments.

    child.py PORT [die-at-once STATUS | die-when FIFO | stubborn | fork FIFO | journal FILE NAME | environment NAME |
                   leave-after ANSWERS] ...

It answers HTTP on PORT as soon as it is ready; after so many answers it says that it is not ready any more.
"""

import contextlib
import http.server
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path


class _Healthy(http.server.BaseHTTPRequestHandler):
    answers = float("inf")

    def do_GET(self) -> None:
        _Healthy.answers -= 1
        if _Healthy.answers < 0:
            print("leaving", flush=True)
        self.send_response(503 if _Healthy.answers < 0 else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


def _note(file: Path, line: str) -> None:
    with file.open("a") as journal:
        journal.write(line + "\n")


def main() -> None:
    port, script = int(sys.argv[1]), sys.argv[2:]
    journal = name = None
    while script:
        match script:
            case ["die-at-once", status, *script]:
                print("I cannot live like this", flush=True)
                sys.exit(int(status))
            case ["die-when", fifo, *script]:
                threading.Thread(target=_die_when, args=(fifo,), daemon=True).start()
            case ["stubborn", *script]:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            case ["fork", fifo, *script]:
                with open(fifo, "w") as held:
                    subprocess.Popen(
                        [sys.executable, "-c", "import signal; signal.pause()"],
                        stdin=subprocess.DEVNULL,
                        stdout=held,
                    )
            case ["leave-after", answers, *script]:
                _Healthy.answers = int(answers)
            case ["environment", variable, *script]:
                print(f"{variable}={os.environ.get(variable)}", flush=True)
            case ["journal", file, name, *script]:
                journal = Path(file)
                _note(journal, f"start {name}")
                signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"serving as {os.getpid()}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server = http.server.HTTPServer(("127.0.0.1", port), _Healthy)
        try:
            server.serve_forever()
        finally:
            if journal:
                _note(journal, f"stop {name}")


def _die_when(fifo: str) -> None:
    """Die as soon as somebody writes into the fifo."""
    with open(fifo) as pipe:
        pipe.read()
    os._exit(7)


if __name__ == "__main__":
    main()
