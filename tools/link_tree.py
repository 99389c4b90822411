"""Build `build/tree/graphreel/…`: links that show the folders under the names of the packages they install as.

Type checkers cannot see setuptools' package-dir mapping, so mypy and pyright read this tree instead.
"""

import shutil
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def package_folders() -> dict[str, Path]:
    """The folder of each package that pyproject.toml maps, relative to the root."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    return {package: Path(folder) for package, folder in settings["package-dir"].items()}


def link_tree(tree: Path = ROOT / "build" / "tree") -> Path:
    """Make the tree anew and give the folder that stands for `graphreel`."""
    top = tree / "graphreel"
    shutil.rmtree(tree, ignore_errors=True)
    top.mkdir(parents=True)
    for package, folder in package_folders().items():
        if package == "graphreel":
            for entry in sorted((ROOT / folder).iterdir()):
                if entry.name != "__pycache__":
                    (top / entry.name).symlink_to(entry)
        else:
            (top / package.removeprefix("graphreel.")).symlink_to(ROOT / folder)
    return top


if __name__ == "__main__":
    print(link_tree())
