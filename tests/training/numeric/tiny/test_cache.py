"""One folder per recipe, whole or not there; one process makes a model and the others wait."""

import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from textgrad_agents.errors import ConfigError, FileFormatError
from training.numeric.tiny import RECIPES, cache_folder
from training.numeric.tiny.cache import MANIFEST, made
from training.numeric.tiny.recipe import TINY, recipe_of


def write(folder):
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")


def never(*_):
    pytest.fail("must not be called")


def visible(cache):
    return sorted(path.name for path in cache.iterdir() if not path.name.endswith(".lock"))


def test_a_model_is_made_once(tmp_path):
    folder = made(TINY, tmp_path, write, never)
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert made(TINY, tmp_path, never, never) == folder
    assert visible(tmp_path) == [folder.name]


def test_another_recipe_is_another_folder(tmp_path):
    folders = {made(recipe, tmp_path, write, never) for recipe in (TINY, replace(TINY, steps=3), RECIPES["small"])}
    assert len(folders) == 3


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError])
def test_an_interrupted_making_leaves_nothing(tmp_path, interruption):
    def half(folder):
        write(folder)
        raise interruption

    with pytest.raises(interruption):
        made(TINY, tmp_path, half, never)
    assert visible(tmp_path) == []
    assert made(TINY, tmp_path, write, never).is_dir()


def test_what_a_killed_process_left_is_removed(tmp_path):
    def die(folder):
        write(folder)
        os.kill(os.getpid(), signal.SIGKILL)

    child = multiprocessing.get_context("fork").Process(target=made, args=(TINY, tmp_path, die, never))
    child.start()
    child.join()
    assert len(visible(tmp_path)) == 1  # the unfinished one, under another name
    folder = made(TINY, tmp_path, write, never)
    assert visible(tmp_path) == [folder.name]


def slow_and_counted(folder):
    (folder.parent.parent / f"made-{folder.name}").touch()
    time.sleep(0.5)
    write(folder)


def make_and_tell(cache, ready):
    ready.wait()
    made(TINY, cache, slow_and_counted, (cache.parent / f"waited-{multiprocessing.current_process().pid}").touch)


def test_of_two_processes_one_makes_and_the_other_waits(tmp_path):
    context = multiprocessing.get_context("fork")
    cache, ready = tmp_path / "cache", context.Barrier(2)
    children = [context.Process(target=make_and_tell, args=(cache, ready)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    assert len(list(tmp_path.glob("made-*"))) == 1
    assert len(list(tmp_path.glob("waited-*"))) == 1
    assert len(visible(cache)) == 1


def test_a_cache_that_cannot_be_written_is_one_error_with_the_way_out(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="XDG_CACHE_HOME"):
        made(TINY, tmp_path / "file" / "cache", never, never)


@pytest.mark.parametrize("harm", ["changed", "missing", "manifest", "recipe"])
def test_files_that_were_changed_are_refused_and_nothing_is_overwritten(tmp_path, harm):
    folder = made(TINY, tmp_path, write, never)
    if harm == "changed":
        (folder / "model.safetensors").write_bytes(b"other")
    elif harm == "missing":
        (folder / "config.json").unlink()
    elif harm == "manifest":
        (folder / MANIFEST).write_text("[]")
    else:
        (folder / MANIFEST).write_text('{"recipe": "0", "files": {}}')
    with pytest.raises(FileFormatError, match="remove the folder"):
        made(TINY, tmp_path, never, never)


def test_the_cache_is_that_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "textgrad-agents" / "models"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for nothing in ("", "relative"):  # the standard has relative paths ignored
        monkeypatch.setenv("XDG_CACHE_HOME", nothing)
        assert cache_folder() == tmp_path / "home" / ".cache" / "textgrad-agents" / "models"
    assert isinstance(cache_folder(), Path)


def test_an_unknown_model_is_said():
    with pytest.raises(ConfigError, match="tiny, small"):
        recipe_of("huge")
