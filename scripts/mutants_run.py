"""Runs mutants: one warm process, a forked child for each, two at a time, each with a deadline.

The warm process has imported all that the tests import but gimmal and the tests themselves. A child puts the mutant's
code in the place of its module before anything of gimmal is imported, and runs the module's tests up to the first
failure. All of it works on a copy: neither a mutant nor a test can touch the tree it came from.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mutants_edits import Mutant

BASELINE_SECONDS = 120.0
DEADLINE_FACTOR = 4.0
DEADLINE_LEAST = 5.0
MEMORY_MOST = 4 << 30
"""Address space of one child."""

_SURVIVED, _FAILED, _BROKEN = 0, 1, 3
_OURS = ("gimmal", "tests")


@dataclass(frozen=True)
class Verdict:
    """What became of one mutant.

    Attributes:
        killed: whether a test failed, or the deadline passed.
        late: whether it was the deadline.
        seconds: how long it took.
    """

    mutant: Mutant
    killed: bool
    late: bool
    seconds: float


class BaselineFailed(Exception):
    """The tests of a module fail without any change, or are not those of the copy."""


@contextmanager
def scratch_copy(project: Path) -> Iterator[Path]:
    """A copy of what tests need of a project; removed behind."""
    folder = Path(tempfile.mkdtemp(prefix="gimmal-mutants-"))
    try:
        for name in ("src", "tests"):
            shutil.copytree(project / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(project / "pyproject.toml", folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Runner:
    """Runs mutants in a copy of the project.

    Args:
        copy: from :func:`scratch_copy`.
        at_once: children alive at a time.
    """

    def __init__(self, copy: Path, at_once: int = 2) -> None:
        self._copy = copy
        self._at_once = at_once
        self._places = list(range(at_once))
        sys.pycache_prefix = str(copy / "compiled")
        sys.dont_write_bytecode = False
        sys.path[:0] = [str(copy / "src"), str(copy)]
        for name in ("GIMMAL_CAMPAIGN", "GIMMAL_FIGURES", "PYTHONDONTWRITEBYTECODE", "PYTEST_ADDOPTS"):
            os.environ.pop(name, None)
        for name in ("PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "PYTEST_VERSION"):
            os.environ.pop(name, None)

    def baseline(self, tests: Sequence[str]) -> float:
        """Run tests on the code as it is, twice: to learn what they import, and how long they take, in seconds.

        Raises:
            BaselineFailed: they do not pass.
        """
        names = self._copy / "imported"
        for _once in range(2):
            started = time.monotonic()
            child = self._fork(tests, None, 0, names)
            if not _ended(child, BASELINE_SECONDS) or _code(child) != _SURVIVED:
                _kill(child)
                raise BaselineFailed(f"these fail without a change: {' '.join(tests)}")
            seconds = time.monotonic() - started
            _import_all(names.read_text(encoding="utf-8").split())
        return seconds

    def run(self, mutants: Sequence[Mutant], tests: Sequence[str], deadline: float) -> Iterator[Verdict]:
        """The verdicts as they come.

        Args:
            mutants: of one module.
            tests: files below the project.
            deadline: seconds for one mutant.
        """
        waiting = list(reversed(mutants))
        running: dict[int, tuple[Mutant, int, int, float]] = {}
        poll = select.poll()
        try:
            while waiting or running:
                while waiting and len(running) < self._at_once:
                    mutant, place = waiting.pop(), self._places.pop()
                    child = self._fork(tests, mutant, place, None)
                    watch = os.pidfd_open(child)
                    poll.register(watch, select.POLLIN)
                    running[watch] = mutant, child, place, time.monotonic()
                left = min(started for _m, _c, _p, started in running.values()) + deadline - time.monotonic()
                ready = {watch for watch, _event in poll.poll(max(0.0, left) * 1000 + 1)}
                now = time.monotonic()
                for watch, (mutant, child, place, started) in list(running.items()):
                    late = watch not in ready and now - started >= deadline
                    if late or watch in ready:
                        poll.unregister(watch)
                        os.close(watch)
                        del running[watch]
                        self._places.append(place)
                        _kill_group(child)  # before its number is free for others
                        yield Verdict(mutant, _code(child) != _SURVIVED or late, late, now - started)
        finally:
            for watch, (_mutant, child, _place, _started) in running.items():
                os.close(watch)
                _kill(child)

    def _fork(self, tests: Sequence[str], mutant: Mutant | None, place: int, names: Path | None) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child:
            return child
        code = _BROKEN
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MOST, MEMORY_MOST))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            silence = os.open(os.devnull if mutant is not None else self._copy / "output", os.O_RDWR | os.O_CREAT)
            for descriptor in (0, 1, 2):
                os.dup2(silence, descriptor)
            code = self._test(tests, mutant, place)
            if names is not None:
                names.write_text("\n".join(sorted(sys.modules)), encoding="utf-8")
        except BaseException:  # noqa: BLE001 - whatever a mutant does, the child ends here and counts as killed
            code = _FAILED
        finally:
            os._exit(code)

    def _test(self, tests: Sequence[str], mutant: Mutant | None, place: int) -> int:
        import hypothesis
        import pytest

        # Failing at all is what counts: no time goes into smaller examples, and every run tries the same ones.
        plain = hypothesis.settings(
            database=None,
            deadline=None,
            derandomize=True,
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.settings.register_profile("mutants", plain)
        hypothesis.settings.load_profile("mutants")
        work = self._copy / f"work{place}"
        (work / "temporary").mkdir(parents=True, exist_ok=True)
        tempfile.tempdir = os.environ["TMPDIR"] = str(work / "temporary")
        os.chdir(self._copy)
        if mutant is not None:
            sys.meta_path.insert(0, _Replaced(mutant, self._copy))
        words = ["-x", "-q", "--no-header", "--tb=no" if mutant is not None else "--tb=short", "-o", "timeout=0"]
        words += [
            "-p",
            "no:randomly",
            "-p",
            "no:xdist",
            "-p",
            "no:cacheprovider",
            "-W",
            "ignore::pytest.PytestAssertRewriteWarning",
        ]
        words += [f"--rootdir={self._copy}", f"--basetemp={work / 'tests'}"]
        code = int(pytest.main([*words, *tests]))
        ours = sys.modules.get("gimmal")
        if code == 0 and ours is not None and not str(ours.__file__).startswith(str(self._copy)):
            return _BROKEN
        return code


class _Replaced(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module as its mutant."""

    def __init__(self, mutant: Mutant, copy: Path) -> None:
        self._mutant = mutant
        path = copy / "src" / "gimmal" / mutant.module
        parts = ("gimmal", *mutant.module.removesuffix(".py").split("/"))
        self._name = ".".join(part for part in parts if part != "__init__")
        self._path = str(path)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        spec = importlib.util.spec_from_file_location(fullname, self._path, loader=self)
        assert spec is not None
        return spec

    def exec_module(self, module: types.ModuleType) -> None:
        exec(self._mutant.code, module.__dict__)  # noqa: S102 - our own module, changed by us

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None


def _import_all(names: Sequence[str]) -> None:
    for name in names:
        if name.split(".")[0] not in _OURS and name not in sys.modules and name != "conftest":
            with suppress(Exception):
                importlib.import_module(name)


def _ended(child: int, seconds: float) -> bool:
    watch = os.pidfd_open(child)
    try:
        return bool(select.select([watch], [], [], seconds)[0])
    finally:
        os.close(watch)


def _code(child: int) -> int:
    with suppress(ChildProcessError):
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return _BROKEN


def _kill(child: int) -> None:
    _kill_group(child)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(child, 0)


def _kill_group(child: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
