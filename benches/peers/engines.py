"""The engines: each is one long-lived process that is sent jobs and answers with seconds and sums."""

import json
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


class EngineError(Exception):
    """A process that ended, or that cannot be understood."""


class Engine:
    """A process that reads a job a line."""

    def __init__(self, name, command, folder):
        self.name = name
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True
        )

    def ask(self, line):
        """Sends a line and gives the answer."""
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self.process.wait()
            self.log.seek(0)
            said = self.log.read().strip()
            raise EngineError(f"{self.name} ended with {self.process.returncode} on {line}:\n{said}")
        return json.loads(answer)

    def close(self):
        """Lets the process end."""
        self.process.stdin.close()
        self.process.wait()


class Flagstone(Engine):
    """The measuring program of this repository."""

    def __init__(self, program, folder, shape, calls):
        super().__init__("flagstone", [program, "serve"], folder)
        self.calls = f"{calls // 1000}x1000"
        self.shape = "x".join(map(str, shape))
        listed = subprocess.run([program, "list"], check=True, capture_output=True, text=True).stdout
        self.workloads = {line.split()[0] for line in listed.splitlines()}

    def run(self, job, chunks, repeat=1):
        """Seconds and sums; None if there is no such workload."""
        if job.workload not in self.workloads:
            return None
        words = [job.workload, "--repeat", str(repeat)]
        for flag, name in zip(("--x", "--y"), job.arrays):
            words += [flag, f"{name}.npy"]
        if job.calls:
            words += ["--shape", self.calls]
        elif not job.micro:
            words += ["--chunks", "x".join(map(str, chunks))]
            if not job.arrays:
                words += ["--shape", self.shape]
        return self.ask(" ".join(words))


class Library(Engine):
    """A Python library."""

    def __init__(self, name, python, folder, shape, seed, calls):
        self.calls = calls
        command = [python, "-B", HERE / "worker.py", name, "x".join(map(str, shape)), str(seed)]
        super().__init__(name, command, folder)

    def run(self, job, chunks, repeat=1):
        """Seconds and sums; None if the library has no such job."""
        arrays = [f"{name}.npy" for name in job.arrays]
        command = {"job": job.name, "arrays": arrays, "chunks": chunks, "repeat": repeat, "calls": self.calls}
        answer = self.ask(json.dumps(command))
        return None if answer.get("missing") else answer
