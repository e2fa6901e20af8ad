#!/bin/sh
# Prints the first Python that can run this project (3.12 or later, below 3.15, with venv), or says what to install.
# Each candidate is started, not merely looked up: a version manager's shim answers to names it cannot run.
usable() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 12) <= sys.version_info[:2] < (3, 15))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    if usable "$PYTHON"; then
        command -v "$PYTHON"
        exit 0
    fi
    echo "PYTHON=$PYTHON does not start, has no venv module, or is not a Python 3.12, 3.13 or 3.14." >&2
    exit 1
fi

for candidate in python3.13 python3.12 python3 "$HOME"/.pyenv/versions/3.1[2-4]*/bin/python; do
    if usable "$candidate"; then
        command -v "$candidate"
        exit 0
    fi
done

cat >&2 <<'MESSAGE'
No Python 3.12, 3.13 or 3.14 with the venv module was found.
  Debian, Ubuntu:  apt install python3.12 python3.12-venv   (or python3.13 python3.13-venv)
  Fedora:          dnf install python3.13
  with pyenv:      pyenv install 3.13
Or name one:       make setup PYTHON=/path/to/python3.13
MESSAGE
exit 1
