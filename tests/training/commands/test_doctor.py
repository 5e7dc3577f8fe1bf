"""The doctor names what is there, shows no key and asks nobody but this machine."""

import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from textgrad_agents.errors import ConfigError
from training.commands import doctor


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_proxy", "_PROXY")):
            monkeypatch.delenv(name)


def report(capsys, *arguments):
    code = doctor.main(arguments)
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    return code, text


@pytest.fixture
def server():
    """Its address; a GET is redirected elsewhere, and what was asked is in `asked`."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, dict(self.headers)))
            self.send_response(302)
            self.send_header("location", "http://198.51.100.1/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/v1", asked
        running.shutdown()


def test_it_names_versions_keys_and_the_disk(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "canary-0123456789")
    monkeypatch.setattr(doctor, "PACKAGES", ("pydantic", "no-such-package"))
    monkeypatch.chdir(tmp_path)
    code, text = report(capsys)
    assert code == 0
    assert "OPENAI_API_KEY set" in text
    assert "DEEPSEEK_API_KEY not set" in text
    assert "no-such-package not installed" in text
    assert "GB free; " in text
    assert "canary" not in text
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_problem(capsys, monkeypatch, tmp_path):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    code, text = report(capsys, "--experiments_dir", str(tmp_path / "new"))
    assert code == 1
    assert "PROBLEM: " in text
    assert "cannot be written: Permission denied" in text


@pytest.mark.parametrize(("network", "said"), [(True, "rollback journal"), (False, "write-ahead log")])
def test_it_says_how_the_journal_is_kept(capsys, monkeypatch, network, said):
    monkeypatch.setattr(doctor, "is_on_network", lambda path: network)
    assert said in report(capsys)[1]


def test_a_server_on_this_machine_is_tried_without_its_key_and_not_followed_elsewhere(capsys, monkeypatch, server):
    url, asked = server
    monkeypatch.setenv("MY_KEY", "canary-0123456789")
    code, text = report(capsys, "--model", "x", "--base_url", url, "--api_key_env", "MY_KEY")
    assert code == 0
    assert "server answers (302 without a key)" in text
    [(path, headers)] = asked
    assert path == "/v1/models"
    assert "canary" not in f"{headers}{text}"


def test_a_server_that_is_not_there_is_a_problem(capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    code, text = report(capsys, "--model", "x", "--base_url", url)
    assert code == 1
    assert "PROBLEM: does not answer: " in text


def test_other_servers_are_tried_only_if_asked(capsys, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("asked")

    monkeypatch.setattr(doctor.urllib.request, "build_opener", refuse)
    code, text = report(capsys, "--model", "gpt-4o-mini")
    assert code == 1
    assert "OPENAI_API_KEY, which is not set" in text
    assert "not tried; --reach does" in text
    with pytest.raises(AssertionError, match="asked"):
        doctor.main(["--model", "gpt-4o-mini", "--reach"])


def test_the_built_in_engine_needs_nothing(capsys):
    code, text = report(capsys, "--model", "rulebook")
    assert code == 0
    assert "no key, no network" in text


def test_flags_about_a_model_need_its_name():
    with pytest.raises(ConfigError, match="name it with --model"):
        doctor.main(["--reach"])
