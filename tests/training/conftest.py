"""Tests of training write many small files."""

import importlib.util
import os
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "src"


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    """No test here loses power, so none waits until its files are on the disk."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def script(tmp_path, monkeypatch, capsys):
    """Gives, for the name of a training script, what runs its main in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.endswith("_API_KEY"):
            monkeypatch.delenv(name)

    def load(name):
        spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)

        def call(*arguments):
            try:
                code = module.main([str(argument) for argument in arguments])
            except SystemExit as stop:
                code = stop.code
            out = capsys.readouterr()
            return code, out.out, out.err

        return call

    return load
