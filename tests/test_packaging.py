"""What is installed is what stands in the repository, and it works without Qt and without any framework."""

import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from tests.samples import onnx_free_reel

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())


def folder_of(package: str) -> Path:
    """The folder that setuptools takes a package from: the longest mapped name before it, then its own parts."""
    mapping = SETTINGS["tool"]["setuptools"]["package-dir"]
    mapped = package
    while mapped not in mapping:
        mapped = mapped.rpartition(".")[0]
    return ROOT / mapping[mapped] / package.removeprefix(mapped).strip(".").replace(".", "/")


def test_the_package_list_is_the_disk() -> None:
    listed = {folder_of(package) for package in SETTINGS["tool"]["setuptools"]["packages"]}
    tops = {ROOT / folder for folder in SETTINGS["tool"]["setuptools"]["package-dir"].values()}
    on_disk = {path.parent for top in tops for path in top.rglob("*.py")}
    assert listed == on_disk
