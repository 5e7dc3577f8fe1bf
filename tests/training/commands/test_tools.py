"""`textgrad-agents tools`: from the command line to a tool that is called."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from envs import DummyEnv, Environment
from training.cli import main
from training.commands.tools import maker

COMMAND = (sys.executable, "-c", "import sys; from training.cli import main; sys.exit(main())", "tools")

CORNER = '''
from envs import fenv

@fenv.start()
def corner(topic):
    return f"Talk about {topic!r}.", {}

@corner.tool()
def say(words: str, state) -> str:
    """Say something."""
    return words.upper()
'''


def hear_ctrl_c() -> None:
    """What a shell starts in the background does not hear Ctrl-C, and neither would its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def running(*arguments: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command at work, and the line that it printed."""
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--port", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def test_from_the_command_to_a_tool(tmp_path: Path) -> None:
    with running("dummy", folder=tmp_path) as (process, line):
        found = re.fullmatch(r"tools of dummy: (http://127\.0\.0\.1:\d+)/\?token=(\S+) \(Ctrl-C stops it\)\n", line)
        assert found, line
        url, token = found.groups()
        assert len(token) >= 22
        with httpx2.Client(base_url=url, follow_redirects=True, trust_env=False) as client:
            assert client.get("/").status_code == 401
            assert "print_story" in client.get("/", params={"token": token}).text
            assert client.post("/cast_int", json={"x": 2.7}).json()["result"] == "2"
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=10)
        assert (process.returncode, stdout, stderr) == (0, "stopped\n", "")


def test_an_environment_of_a_file_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "talking.py").write_text(CORNER)
    with running("talking:corner", "--task", "rain", "--token", "", folder=tmp_path) as (_, line):
        (url,) = re.fullmatch(r"tools of talking:corner: (\S+) \(Ctrl-C stops it\)\n", line).groups()  # type: ignore[union-attr]
        assert "Talk about &#39;rain&#39;." in httpx2.get(url, trust_env=False).text
        assert httpx2.post(f"{url}/say", json={"words": "hi"}, trust_env=False).json()["result"] == "HI"


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(["tools", *arguments])
    assert stopped.value.code == 2
    stderr = capsys.readouterr().err
    assert stderr.count("\n") == 1
    return stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "arguments are required: ENV"),
        (["dumy"], "no environment of one agent is called 'dumy'; did you mean dummy?"),
        (["pistonball"], "envs.make makes the environment of several agents of this name"),
        (["nowhere:Env"], "nowhere, which cannot be imported"),
        (["envs.dummy:Nothing"], "has no such name"),
        (["dummy", "--host", "0.0.0.0", "--token", ""], "can be reached from other machines; give a --token"),
        (["dummy", "--host", "no host"], "cannot be used"),
        (["dummy", "--port", "70000"], "from 0 to 65535, not 70000"),
    ],
)
def test_what_cannot_be_shown(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in said(arguments, capsys)


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} cannot be used" in said(["dummy", "--port", str(port)], capsys)


class NeedsMore(DummyEnv):
    def __init__(self, size: int) -> None:
        super().__init__(task=str(size))

    from_task = Environment.from_task


class FromTask(DummyEnv):
    def __init__(self, task: str) -> None:
        super().__init__(task=task)


def test_how_environments_are_made(capsys: pytest.CaptureFixture[str]) -> None:
    here = "training_tools_command_test"
    sys.modules[here] = sys.modules[__name__]
    try:
        assert isinstance(maker("dummy", None)(), DummyEnv)
        assert maker("dummy", "cats")().task == "cats"  # type: ignore[attr-defined]
        assert maker(f"{here}:FromTask", None)().task == ""  # type: ignore[attr-defined]
        assert "cannot be made from a task alone" in said([f"{here}:NeedsMore"], capsys)
    finally:
        del sys.modules[here]
