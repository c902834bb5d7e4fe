"""Start training scripts by forking a process that has imported torch already: a run takes a second less ten.

    python forked_script.py

It reads a request a line, in JSON: `start` a script in processes that find what torchrun would tell them, or
`wait` for those. Nothing of torch runs before the fork.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, Self


class Launcher:
    """The side of the tests: starts scripts, and waits for them."""

    def __init__(self) -> None:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.server = subprocess.Popen([sys.executable, __file__], **pipes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.server.communicate()

    def start(self, command: list[str], world: int, said: Path, most: int = 0) -> list[int]:
        """Start a script in processes whose files have at most so many bytes; return their ids."""
        found: list[int] = self._asked(start=command, world=world, said=str(said), most=most)
        return found

    def wait(self, processes: list[int]) -> int:
        """Wait for processes; return 0 if all ended well."""
        return int(self._asked(wait=processes))

    def _asked(self, **request: Any) -> Any:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        return json.loads(self.server.stdout.readline())


def serve() -> None:
    """Answer requests until there are no more."""
    import matplotlib.figure  # noqa: F401
    import torch.distributed.checkpoint.state_dict
    import torch.distributed.fsdp
    import torch.utils.data  # noqa: F401

    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer: Any = max(os.waitpid(process, 0)[1] for process in request["wait"])
        else:
            port = free_port()
            answer = [started(rank, port, request) for rank in range(request["world"])]
        print(json.dumps(answer), flush=True)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def started(rank: int, port: int, request: dict[str, Any]) -> int:
    """Fork a process that runs the script, and return its id."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        prepare(rank, port, request)
        runpy.run_path(request["start"][0], run_name="__main__")
        code = 0
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        else:
            code = ended.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def prepare(rank: int, port: int, request: dict[str, Any]) -> None:
    """Give a process its place in the group, its command line and its files."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (0 if rank else os.O_TRUNC)
    said = os.open(request["said"], flags, 0o666)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.close(0)
    world = request["world"]
    if world > 1:
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in place.items()}, MASTER_ADDR="127.0.0.1")
    if request["most"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["most"], request["most"]))
    sys.argv = request["start"]
    sys.path.insert(0, str(Path(sys.argv[0]).parent))


if __name__ == "__main__":
    serve()
