"""The processes that hold the frameworks: each network goes to all, its checks come back together."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from fuzz.engines import Check, Job, work

BACKENDS = ("torch", "keras", "onnx")
AHEAD = 4  # networks that a process may be behind the others
SECONDS = 180  # for one network in one backend
LIFETIME = 400  # networks of a process: frameworks keep something of each


@dataclass
class Worker:
    """A process with one framework, and the jobs that it was given and has not answered."""

    backend: str
    process: BaseProcess
    connection: Connection
    waiting: list[Job] = field(default_factory=list)
    done: int = 0


class Crew:
    """The workers of a run."""

    def __init__(self, backends: Sequence[str]) -> None:
        self.context = multiprocessing.get_context("spawn")
        self.workers = [self._started(backend) for backend in backends]
        self.answers: dict[int, list[Sequence[Check]]] = {}
        self.jobs: dict[int, Job] = {}

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.process.kill()
            worker.process.join()

    def _started(self, backend: str) -> Worker:
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=work, args=(backend, theirs), daemon=True)
        process.start()
        theirs.close()
        return Worker(backend, process, ours)

    def give(self, job: Job) -> Iterator[tuple[Job, list[Check]]]:
        """Give a network to every worker; yields those that all have answered by now."""
        self.jobs[id(job)] = job
        self.answers[id(job)] = []
        for worker in self.workers:
            if not worker.waiting:
                worker.connection.send(job)
            worker.waiting.append(job)
        yield from self._answered(AHEAD)

    def finish(self) -> Iterator[tuple[Job, list[Check]]]:
        """Yield the networks that are still out."""
        yield from self._answered(0)

    def alone(self, job: Job) -> list[Check]:
        """Return the checks of one network, with nothing else under way."""
        found = [*self.give(job), *self.finish()]
        return found[-1][1]

    def _answered(self, most: int) -> Iterator[tuple[Job, list[Check]]]:
        while True:
            behind = max(len(worker.waiting) for worker in self.workers) > most
            busy = {worker.connection: worker for worker in self.workers if worker.waiting}
            ready = wait(list(busy), SECONDS if behind else 0)
            if behind and not ready:
                for worker in busy.values():
                    self._replace(worker, f"no answer in {SECONDS} s")
            for connection in ready:
                self._receive(busy[connection])  # type: ignore[index]
            for key in [key for key, found in self.answers.items() if len(found) == len(self.workers)]:
                yield self.jobs.pop(key), [check for found in self.answers.pop(key) for check in found]
            if not behind and not ready:
                return

    def _receive(self, worker: Worker) -> None:
        try:
            found: Sequence[Check] = worker.connection.recv()
        except EOFError:
            worker.process.join()
            self._replace(worker, f"the process ended with {worker.process.exitcode}")
            return
        self.answers[id(worker.waiting.pop(0))].append(found)
        worker.done += 1
        if worker.done >= LIFETIME:
            self._restart(worker)
        if worker.waiting:
            worker.connection.send(worker.waiting[0])

    def _replace(self, worker: Worker, message: str) -> None:
        """Blame the network under way for the end of a process, and start another."""
        self.answers[id(worker.waiting.pop(0))].append([Check(f"{worker.backend} process", message=message)])
        self._restart(worker)
        if worker.waiting:
            worker.connection.send(worker.waiting[0])

    def _restart(self, worker: Worker) -> None:
        worker.process.kill()
        worker.process.join()
        fresh = self._started(worker.backend)
        worker.process, worker.connection, worker.done = fresh.process, fresh.connection, 0
