"""Runs test classes with pytest in this process and gathers what fails, in words."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from polyscene.errors import PolysceneError
from polyscene.registry.manager import describe

_FILE = f"from {__name__} import Running\n\nglobals().update(Running.suites)\n"
# No other pytest plugin and no settings of the folder we happen to be in.
_QUIET = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
_FIXED = ["-c", os.devnull, "-p", "no:cacheprovider", "--import-mode=importlib"]


@dataclass
class Findings:
    """How the tests of one suite ended.

    Args:
        passed: how many passed.
        failed: why each test failed that did; a test with several cases is here once.
        skipped: why tests were left out.
    """

    passed: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


class Running:
    """What is run at the moment: the suites, which their test file imports, and the package that they test."""

    suites: ClassVar[dict[str, type]] = {}
    package: ClassVar[str] = ""

    @classmethod
    def is_own(cls, file: str) -> bool:
        """Whether a file belongs to the package."""
        return cls.package in Path(file).parts


def run_tests(suites: Mapping[str, type], module: str) -> dict[str, Findings]:
    """Run test classes in this process.

    Args:
        suites: test classes by what they test.
        module: the plugin's module.

    Returns:
        What was found, by the same names.
    """
    found = {what: Findings() for what in suites}
    if not suites:
        return found
    numbered = {f"Test{number}": what for number, what in enumerate(suites)}
    Running.suites = {name: type(name, (suites[what],), {}) for name, what in numbered.items()}
    Running.package = module.partition(".")[0]
    gathering = _Gathering({name: found[what] for name, what in numbered.items()})
    said = io.StringIO()
    with tempfile.TemporaryDirectory(prefix="plugin_") as folder, _environment(_QUIET):
        # The name is new each time: pytest keeps modules that it has imported.
        file = Path(folder) / f"test_{Path(folder).name}.py"
        file.write_text(_FILE, encoding="utf-8")
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = pytest.main([*_FIXED, "--rootdir", folder, str(file)], plugins=[gathering])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"pytest ended with {code!r}:\n{said.getvalue()}")
    return found


class _Gathering:
    """A pytest plugin that keeps what tests say."""

    def __init__(self, found: dict[str, Findings]) -> None:
        self.found = found

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Function, call: pytest.CallInfo[Any]) -> Any:
        report: pytest.TestReport = yield
        assert item.cls is not None
        findings = self.found[item.cls.__name__]
        test = item.originalname.removeprefix("test_").replace("_", " ")
        if report.failed and call.excinfo is not None:
            findings.failed.setdefault(test, _why(call.excinfo.value))
        elif report.skipped and call.excinfo is not None:
            findings.skipped.setdefault(test, str(call.excinfo.value))
        elif report.when == "call":
            findings.passed += 1
        return report


def _why(error: BaseException) -> str:
    """What an assertion says, without the values that pytest adds; our errors whole, others with their place."""
    if isinstance(error, PolysceneError):
        return str(error)
    said = re.split(r"\n *assert ", str(error))[0].strip()
    if isinstance(error, AssertionError) and said and not said.startswith("assert "):
        return said
    # The last line of the plugin itself; what it calls may lie deep inside a library.
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Running.is_own(frame.filename)]
    if not frames:
        return describe(error)
    first = (str(error).splitlines() or [""])[0]
    place = "/".join(Path(frames[-1].filename).parts[-2:])
    return f"{type(error).__name__}: {first} ({place}:{frames[-1].lineno})"


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
