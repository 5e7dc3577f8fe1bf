from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from textgrad_agents.errors import ConfigError, FileFormatError
from training.commands import serve

START = "import sys; from training.commands.serve import main; sys.exit(main(sys.argv[1:]))"


def ask(url: str, text: str) -> str:
    body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    request = urllib.request.Request(f"{url}/chat/completions", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)["choices"][0]["message"]["content"]


def hear_ctrl_c() -> None:
    """What a shell starts in the background does not hear Ctrl-C, and neither would its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_script_is_served_until_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "replies.json").write_text('{"weather": "rain", "time": "noon"}')
    command = [sys.executable, "-c", START, "scripted", "--replies", str(tmp_path / "replies.json"), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=hear_ctrl_c)
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first.startswith("serving scripted at http://127.0.0.1:")
    url = first.split()[3]
    assert [ask(url, "what time is it?"), ask(url, "and the weather?")] == ["noon", "rain"]
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 0
    assert process.stdout.read() == "stopped\n"
    process.stdout.close()


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["gtp-4o"], ConfigError, "no model is known as 'gtp-4o'"),
        (["rulebook", "--port", "99999"], ConfigError, "port 99999 cannot be used"),
        (["scripted"], ConfigError, "--replies names the file"),
        (["rulebook", "--replies", "x.json"], ConfigError, "--replies names the file"),
        (["scripted", "--replies", "{folder}/missing.json"], FileFormatError, "does not exist"),
        (["scripted", "--replies", "{folder}/numbers.json"], FileFormatError, "must hold a list of texts"),
        (["scripted", "--replies", "{folder}/text.json"], FileFormatError, "must hold a list of texts"),
    ],
)
def test_what_cannot_be_served_is_said(tmp_path: Path, arguments: list[str], error: type[Exception], said: str) -> None:
    (tmp_path / "numbers.json").write_text("[1, 2]")
    (tmp_path / "text.json").write_text('"hello"')
    with pytest.raises(error, match=said):
        serve.main([part.replace("{folder}", str(tmp_path)) for part in arguments])


def test_flags_that_are_none(capsys: Any) -> None:
    with pytest.raises(SystemExit, match="2"):
        serve.main(["rulebook", "--prot", "1"])
    assert "unrecognized arguments" in capsys.readouterr().err
