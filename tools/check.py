"""Every check but the tests: lint, format, types and the count of exceptions. `python tools/check.py`."""

import re
import subprocess
import sys
from pathlib import Path

from link_tree import ROOT, link_tree

MOST_EXCEPTIONS = 21
"""How many `type: ignore` and `noqa` there may be; the number only falls."""


def run(*command: str) -> bool:
    """Run one check from the root and tell whether it passed."""
    print("$", " ".join(command), flush=True)
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def exceptions() -> int:
    """How many lines of the project's code are excepted from a check."""
    pattern = re.compile(r"#\s*(type: ignore|noqa|pyright: ignore)")
    files = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    tracked = [ROOT / line for line in files.splitlines()]
    return sum(len(pattern.findall(path.read_text())) for path in tracked if path.exists() and path != Path(__file__))


def main() -> int:
    """Run all checks, also after one failed, and give the exit code."""
    python = sys.executable
    top = str(link_tree())
    passed = [
        run(python, "-m", "ruff", "check", "."),
        run(python, "-m", "ruff", "format", "--check", "."),
        run(python, "-m", "mypy", top),
        run(python, "-m", "pyright", "--pythonpath", python),
    ]
    count = exceptions()
    print(f"{count} exceptions from checks, at most {MOST_EXCEPTIONS}")
    return 0 if all(passed) and count <= MOST_EXCEPTIONS else 1


if __name__ == "__main__":
    sys.exit(main())
