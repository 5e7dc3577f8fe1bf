"""The wheel carries the three packages whole, and works outside the checkout."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

PACKAGES = ["envs", "textgrad_agents", "training"]
ROOT = Path(__file__).resolve().parents[2]

CHILD = """
import importlib, importlib.metadata, json, sys
owners = importlib.metadata.packages_distributions()
files = {name: importlib.import_module(name).__file__ for name in sys.argv[1:]}
print(json.dumps({"owners": {name: owners[name] for name in files}, "files": files}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment: our wheel inside, its dependencies found through a path file."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    interpreter = home / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", interpreter, "install", "--no-deps", "--no-index", wheel)
    # A path file found through another is not read, so the checkout's editable install stays out of reach.
    (site_packages,) = (home / "lib").glob("python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return interpreter


def run(*command: object, cwd: Path | None = None) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def source_files() -> set[str]:
    source = ROOT / "src"
    found = [path for package in PACKAGES for path in (source / package).rglob("*") if path.is_file()]
    return {path.relative_to(source).as_posix() for path in found if "__pycache__" not in path.parts}


def test_wheel_holds_every_file_of_the_packages_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == source_files()
    assert {f"{package}/py.typed" for package in PACKAGES} <= packed


def test_each_package_has_one_owner_and_is_imported_from_the_wheel(python: Path, tmp_path: Path) -> None:
    report = json.loads(run(python, "-I", "-c", CHILD, *PACKAGES, cwd=tmp_path))
    assert report["owners"] == {name: ["textgrad-agents"] for name in PACKAGES}
    for name, file in report["files"].items():
        assert Path(file).is_relative_to(python.parents[1]), f"{name} was imported from {file}"


def test_console_command_starts(python: Path, tmp_path: Path) -> None:
    assert "usage" in run(python.with_name("textgrad-agents"), "--help", cwd=tmp_path)
