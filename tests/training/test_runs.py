"""Run folders: whose they are, who may write, what is finished."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.events import Event, read_events
from textgrad_agents.files import write_json
from training.config import TrainingConfig
from training.run_places import numbered
from training.runs import RunFolder


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def config(**changes: Any) -> TrainingConfig:
    return TrainingConfig(environment="lamps", **changes)


def visit(overwrite: bool = False, **changes: Any) -> tuple[str, bool]:
    """Open and close a run: its name, and whether it was there before."""
    with RunFolder.open(config(**changes), overwrite=overwrite) as run:
        return run.name, run.resumed


def complaint(overwrite: bool = False, **changes: Any) -> str:
    with pytest.raises((ConfigError, FileFormatError)) as caught:
        visit(overwrite, **changes)
    message = str(caught.value)
    assert "\n" not in message
    return message


# -- the same name again -------------------------------------------------------------------------------------------


def test_the_same_run_continues_whether_or_not_it_was_named() -> None:
    assert visit() == ("pistonball_exp", False)
    assert visit() == ("pistonball_exp", True)
    assert visit(exp_name="mine") == ("mine", False)
    assert visit(exp_name="mine", num_iterations=9, save_gif=False) == ("mine", True)


def test_another_run_of_a_name_that_nobody_chose_gets_the_next_free_one() -> None:
    visit()
    assert visit(seed=1) == ("pistonball_exp_2", False)
    assert visit(seed=2) == ("pistonball_exp_3", False)
    assert visit(seed=1) == ("pistonball_exp_2", True)
    with RunFolder.open(config(seed=3)) as run:
        assert run.config.exp_name == run.name == "pistonball_exp_4"
        assert run.notes == [
            "experiment pistonball_exp exists with other settings: seed is 0 there and 3 here; "
            "this run is pistonball_exp_4"
        ]


def test_another_run_of_a_chosen_name_is_refused_with_the_differences() -> None:
    visit(exp_name="mine", seed=1)
    assert complaint(exp_name="mine", seed=2, gate="none") == (
        "experiment mine exists with other settings: seed is 1 there and 2 here, gate is 'sequential' there and 'none' "
        "here; choose another --exp_name, or start it anew with --overwrite"
    )


def test_starting_anew_removes_what_the_run_left_and_nothing_else() -> None:
    with RunFolder.open(config(exp_name="mine")) as run:
        write_json(run.episode(0, 1) / "episode.json", {})
        run.write_summary([{"avg_reward": 1.0}])
        run.logger.log(Event.now(run.name, "tick"))
        (run.path / "policy.json").touch()
        (run.path / "notes.txt").write_text("keep me")
    assert visit(overwrite=True, exp_name="mine", seed=5) == ("mine", False)
    left = sorted(entry.name for entry in Path("experiments/mine").iterdir() if not entry.name.startswith("."))
    assert left == ["config.json", "journal.sqlite", "notes.txt"]
    assert TrainingConfig.from_json("experiments/mine/config.json").seed == 5


def test_a_config_that_was_edited_by_hand_is_noticed() -> None:
    visit(exp_name="mine")
    path = Path("experiments/mine/config.json")
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"seed": 7}))
    edited = TrainingConfig.from_json(path)
    with pytest.raises(ConfigError, match=r"config\.json itself, was changed since it began"):
        RunFolder.open(edited)


def test_a_start_that_fails_frees_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: TrainingConfig, path: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(TrainingConfig, "to_json", full)
        assert "cannot be written: No space left on device" in complaint(exp_name="mine")
    assert visit(exp_name="mine") == ("mine", False)


def test_a_run_that_could_not_begin_leaves_nothing() -> None:
    RunFolder.open(config(exp_name="mine")).abandon()
    assert not Path("experiments").exists()
    Path("experiments/other").mkdir(parents=True)
    Path("experiments/other/notes.txt").touch()
    RunFolder.open(config(exp_name="mine")).abandon()
    assert [entry.name for entry in Path("experiments").iterdir()] == ["other"]


def test_going_on_from_a_later_iteration_does_not_stick() -> None:
    visit(exp_name="mine")
    with RunFolder.open(config(exp_name="mine", start_iteration=3)) as run:
        assert run.config.start_iteration == 3
    assert TrainingConfig.from_json("experiments/mine/config.json").start_iteration == 0


def test_folders_that_no_run_made_are_left_alone() -> None:
    Path("experiments/pistonball_exp/iteration_0").mkdir(parents=True)
    with RunFolder.open(config()) as run:
        assert run.notes == [
            "experiments/pistonball_exp holds 'iteration_0' and no config.json, so it is not of this run; "
            "this run is pistonball_exp_2"
        ]
    Path("experiments/mine/papers").mkdir(parents=True)
    assert "holds 'papers' and no config.json" in complaint(exp_name="mine")
    assert Path("experiments/mine/papers").is_dir()
    Path("experiments/empty").mkdir()
    assert visit(exp_name="empty") == ("empty", False)


def test_a_damaged_config_is_one_line_and_can_be_started_anew() -> None:
    visit(exp_name="mine")
    path = Path("experiments/mine/config.json")
    path.write_bytes(path.read_bytes()[:50])
    message = complaint(exp_name="mine")
    assert message.startswith(f"config file {path} is not valid JSON")
    assert message.endswith("or start the experiment anew with --overwrite")
    assert visit(overwrite=True, exp_name="mine") == ("mine", False)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_whatever_the_config_holds_a_run_is_opened_or_refused_in_one_line(data: st.DataObject) -> None:
    visit(overwrite=True, exp_name="fuzzed")
    path = Path("experiments/fuzzed/config.json")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    assert outcome(exp_name="fuzzed").count("\n") == 0


def outcome(**changes: Any) -> str:
    try:
        return visit(**changes)[0]
    except (ConfigError, FileFormatError) as error:
        return str(error)


# -- places that cannot be written ---------------------------------------------------------------------------------


def test_places_that_cannot_be_written_are_one_line() -> None:
    Path("file").touch()
    message = "experiments folder file cannot be written: Not a directory (file/pistonball_exp); choose another"
    assert complaint(experiments_dir="file").startswith(message)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_is_one_line() -> None:
    Path("locked").mkdir(mode=0o500)
    assert "Permission denied" in complaint(experiments_dir="locked")


def test_links_do_not_lead_out_of_the_folder() -> None:
    Path("elsewhere").mkdir()
    Path("experiments").mkdir()
    Path("experiments/mine").symlink_to("../elsewhere")
    assert "experiments/mine is a link" in complaint(exp_name="mine")
    with RunFolder.open(config(exp_name="other")) as run:
        (run.path / "iteration_0").symlink_to("../../elsewhere")
        for place in (lambda: run.iteration(0), lambda: run.episode(0, 1), lambda: run.gate(0)):
            with pytest.raises(ConfigError, match="iteration_0 is a link"):
                place()
        run.iteration(1).mkdir()
        (run.iteration(1) / "episode_0").symlink_to("../../../elsewhere")
        with pytest.raises(ConfigError, match="episode_0 is a link"):
            run.episode(1, 0)
    visit(overwrite=True, exp_name="other")
    assert Path("elsewhere").is_dir()
    assert list(Path("elsewhere").iterdir()) == []


# -- one writer ----------------------------------------------------------------------------------------------------


def test_a_second_writer_is_told_who_holds_the_folder() -> None:
    with RunFolder.open(config(exp_name="mine")):
        assert complaint(exp_name="mine").startswith(f"experiment mine is in use by process {os.getpid()} on ")
        assert "in use" in complaint(overwrite=True, exp_name="mine")
    assert visit(exp_name="mine") == ("mine", True)


WRITER = """
import sys
from training.config import TrainingConfig
from training.runs import RunFolder
sys.stdin.readline()
try:
    run = RunFolder.open(TrainingConfig(environment="lamps", exp_name="mine"))
except Exception as error:
    print(type(error).__name__, error, flush=True)
else:
    print("won", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def writers() -> Iterator[list[subprocess.Popen[str]]]:
    started = [
        subprocess.Popen([sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    yield started
    for writer in started:
        writer.kill()
        writer.communicate()


def test_of_many_starts_at_once_one_wins_and_its_death_frees_the_folder(writers: list[subprocess.Popen[str]]) -> None:
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    said = {writer: writer.stdout.readline().strip() for writer in writers if writer.stdout is not None}
    [winner] = [writer for writer, line in said.items() if line == "won"]
    losers = [line for writer, line in said.items() if writer is not winner]
    assert [line for line in losers if not line.startswith("ConfigError experiment mine is in use by")] == []
    winner.send_signal(signal.SIGKILL)
    winner.wait()
    assert visit(exp_name="mine") == ("mine", True)


FIFTY_WRITERS = """
import os, sys, time
from training.config import TrainingConfig
from training.runs import RunFolder
waiting, go = os.pipe()
children = []
for _ in range(50):
    child = os.fork()
    if child == 0:
        os.close(go)
        os.read(waiting, 1)
        try:
            run = RunFolder.open(TrainingConfig(environment="lamps", exp_name="mine"))
        except Exception as error:
            os.write(1, f"{type(error).__name__} {error}\\n".encode())
        else:
            os.write(1, b"won\\n")
            sys.stdin.readline()
        os._exit(0)
    children.append(child)
os.close(go)
for child in children:
    os.waitpid(child, 0)
"""


def test_of_fifty_starts_at_once_exactly_one_wins() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", FIFTY_WRITERS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = [process.stdout.readline().strip() for _ in range(50)]
    process.communicate("")
    losers = [line for line in said if line != "won"]
    assert len(losers) == 49
    assert [line for line in losers if not line.startswith("ConfigError experiment mine is in use by")] == []


# -- what is in it -------------------------------------------------------------------------------------------------


def test_iterations_are_counted_by_their_numbers() -> None:
    with RunFolder.open(config()) as run:
        assert run.latest_iteration() is None
        (run.path / "iteration_x").mkdir()
        run.gate(0).mkdir(parents=True)
        run.iteration(10).mkdir()
        run.iteration(9).mkdir()
        assert run.latest_iteration() == 10
        assert [number for number, _ in numbered(run.path, "iteration")] == [0, 9, 10]


def test_the_summary_is_read_back() -> None:
    rows = [{"iteration": 0, "avg_reward": 1.5, "rewards": [1, 2]}, {"iteration": 1, "avg_reward": None}]
    with RunFolder.open(config()) as run:
        assert run.read_summary() == []
        run.write_summary(rows)
        assert run.read_summary() == rows
        for content in ("{", "{}", "[1]"):
            (run.path / "summary.json").write_text(content)
            with pytest.raises(FileFormatError, match="summary file"):
                run.read_summary()


def test_events_of_every_start_are_in_one_file() -> None:
    for kind in ("first", "second"):
        with RunFolder.open(config()) as run:
            run.logger.log(Event.now(run.name, kind))
    assert [event.kind for event in read_events(run.path / "events.jsonl")] == ["first", "second"]


def test_nothing_of_a_key_is_written() -> None:
    key = "sk-canary-0123456789"
    model = {"name": "m", "model_string": "m", "base_url": "http://localhost:8000/v1", "api_key": key}
    with RunFolder.open(config(llm_config=model)) as run:
        assert run.config.get_llm_config().get_api_key() == key
        found = [path for path in Path().rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
    assert found == []


# -- policies ------------------------------------------------------------------------------------------------------

KEEPERS = ("keeper_0", "keeper_1")


def test_a_run_writes_the_named_file_and_a_second_one_starts_from_it() -> None:
    with RunFolder.open(config()) as run:
        manager = run.policies(KEEPERS)
        manager.save_updated_policies(dict.fromkeys(KEEPERS, "press"))
        assert manager.policy_path == Path("policies/policy.json")
        assert run.notes == []
    before = Path("policies/policy.json").read_bytes()
    with RunFolder.open(config(seed=1)) as other:
        manager = other.policies(KEEPERS)
        assert manager.policy_path == Path("experiments/pistonball_exp_2/policy.json")
        assert manager.get_current_policies() == dict.fromkeys(KEEPERS, "press")
        manager.save_updated_policies(dict.fromkeys(KEEPERS, "press more"))
        assert "starting from it, writing experiments/pistonball_exp_2/policy.json" in other.notes[-1]
    assert Path("policies/policy.json").read_bytes() == before
    with RunFolder.open(config(seed=1)) as other:
        assert other.policies(KEEPERS).get_current_policies() == dict.fromkeys(KEEPERS, "press more")


def test_starting_anew_starts_the_policy_anew() -> None:
    for overwrite in (False, True):
        with RunFolder.open(config(), overwrite=overwrite) as run:
            manager = run.policies(KEEPERS)
            assert manager.current_iteration == 0
            manager.save_updated_policies(dict.fromkeys(KEEPERS, "press"))


def test_a_run_does_not_mix_its_episodes_with_the_policies_of_another() -> None:
    with RunFolder.open(config()) as run:
        run.policies(KEEPERS)
        run.iteration(0).mkdir()
    Path("policies/policy.json").rename("policies/mine.json")
    with (
        RunFolder.open(config()) as run,
        pytest.raises(ConfigError, match=r"cannot go on: policy file .* does not exist"),
    ):
        run.policies(KEEPERS)
    with RunFolder.open(config(policy_path="policies/mine.json")) as run:
        assert run.policies(KEEPERS).policy_path == Path("policies/mine.json")


def test_a_run_that_was_stopped_before_it_did_anything_begins_again() -> None:
    visit()
    with RunFolder.open(config()) as run:
        assert run.resumed
        assert run.policies(KEEPERS).current_iteration == 0


def test_a_damaged_policy_file_is_named() -> None:
    Path("policies").mkdir()
    Path("policies/policy.json").write_text('{"current_')
    with RunFolder.open(config()) as run, pytest.raises(FileFormatError, match="policy file policies/policy"):
        run.policies(KEEPERS)
