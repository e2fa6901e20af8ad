"""Determinism: the same journals folded by every Python found, with contracts on and off (DESIGN.md 2.8).

    python -m tools.pythons [JOURNAL …]

Without journals it makes two of its own (every kind of record; a long mixed one). Each Python gets a small environment
of its own from the lock file: the kernel and the journal need icontract and msgspec, and no Nautilus.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
NEEDED = ("icontract", "msgspec", "asttokens", "six", "typing-extensions")
VERSIONS = ("3.12", "3.13", "3.14")


def pinned() -> str:
    """The lines of the lock file that pin NEEDED, hashes included."""
    blocks = re.findall(
        r"^[a-z0-9][^\n]*\\\n(?:    --hash[^\n]*\n)+", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
    return "".join(block for block in blocks if block.split("==")[0] in NEEDED)


def interpreters() -> dict[str, str]:
    """Version to path of every Python found: on the path, and where pyenv keeps them."""
    found: dict[str, str] = {}
    for version in VERSIONS:
        places = [f"python{version}", *map(str, sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))]
        for place in places:
            try:
                done = subprocess.run(
                    [place, "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"],
                    capture_output=True, text=True, check=False,
                )  # fmt: skip
            except OSError:
                continue
            if done.stdout.startswith(f"{version} "):
                found.setdefault(version, done.stdout.split(maxsplit=1)[1].strip())
    return found


def environment(version: str, python: str) -> Path:
    """The interpreter of a small environment for this Python, made once and again when the lock file is newer."""
    folder = ROOT / ".cache" / f"python{version}"
    inside = folder / "bin" / "python"
    stamp = folder / ".done"
    if stamp.exists():
        if stamp.stat().st_mtime > (ROOT / "requirements.lock").stat().st_mtime:
            return inside
    print(f"pythons: making a small environment for Python {version}", flush=True)
    subprocess.run([python, "-m", "venv", "--clear", str(folder)], check=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
        wanted.write(pinned())
        wanted.flush()
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        subprocess.run([str(inside), *install, "-r", wanted.name], check=True)
    stamp.touch()
    return inside


def fold(python: Path, journals: list[str], contracts: str) -> list[str]:
    """What `tools.fold_hash` prints for these journals."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    clean |= {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "DOLPHIN_CONTRACTS": contracts}
    done = subprocess.run(
        [str(python), "-m", "tools.fold_hash", *journals],
        capture_output=True,
        text=True,
        env=clean,
        cwd=ROOT,
        check=False,
    )
    if done.returncode != 0:
        return [f"failed: {done.stderr.strip().splitlines()[-1]}"]
    return done.stdout.splitlines()


def made(folder: str) -> list[str]:
    """Journals of our own: tests/audit/make_journal.py writes them."""
    sys.path.insert(0, str(ROOT))
    from tests.audit.make_journal import mixed, scripted

    paths = [Path(folder) / "scripted.jsonl", Path(folder) / "mixed.jsonl"]
    scripted(paths[0])
    mixed(paths[1], 20_000)
    return [str(path) for path in paths]


def main() -> int:
    """0 if every Python gives the same; 1 if one differs; 2 if there are not two to compare."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.pythons", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("journal", nargs="*")
    asked = parser.parse_args().journal
    found = interpreters()
    if len(found) < 2:
        print(
            f"pythons: found only {', '.join(found) or 'none'} of {', '.join(VERSIONS)}: nothing to compare", flush=True
        )
        return 2
    with tempfile.TemporaryDirectory() as folder:
        journals = [str(Path(name).resolve()) for name in asked] or made(folder)
        environments = {version: environment(version, python) for version, python in found.items()}
        results = {f"Python {version}": fold(inside, journals, "") for version, inside in environments.items()}
        first = next(iter(environments))
        results[f"Python {first}, contracts on"] = fold(environments[first], journals, "1")
    for name, lines in results.items():
        for line in lines:
            print(f"  {name}: {line}")
    same = len({tuple(lines) for lines in results.values()}) == 1
    if any(lines[0].startswith("failed") for lines in results.values()):
        same = False
    print(f"{len(results)} folds of {len(journals)} journals: {'the same state' if same else 'DIFFERENT'}")
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())
