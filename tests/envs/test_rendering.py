"""Snapshots, and episodes of them as files."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from envs import DummyEnv, Frame, Renderer
from textgrad_agents.errors import ConfigError


class Position(BaseModel):
    x: int


@pytest.mark.parametrize(
    ("state", "written"),
    [
        (None, None),
        (5, 5),
        (True, True),
        ("here", "here"),
        ([1, "a"], [1, "a"]),
        (Position(x=1), {"x": 1}),
        ({"at": Position(x=1)}, {"at": {"x": 1}}),
    ],
)
def test_what_a_frame_may_hold(state: Any, written: Any) -> None:
    frame = Frame(state=state, info=state)
    assert frame.model_dump() == {"deepcopy": True, "state": written, "info": written}
    assert json.loads(frame.model_dump_json())["state"] == written


def test_a_frame_holds_nothing_else() -> None:
    with pytest.raises(ValidationError, match="not a object"):
        Frame(state=object())


def test_frames_are_copies_unless_asked_otherwise() -> None:
    state = [["a"]]
    copy, live = Frame(state=state), Frame(state=state, deepcopy=False)
    state[0].append("b")
    assert (copy.state, live.state) == ([["a"]], [["a", "b"]])


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_an_episode_is_a_chain_of_files(tmp_path: Path) -> None:
    renderer = Renderer(prefix="demo", name="My episode", id=7)
    for place in range(3):
        renderer.append(Frame(state={"place": place}))
    extra = tmp_path / "notes.txt"
    extra.write_text("notes")
    renderer.build(tmp_path / "new" / "build", extra_files=[extra])
    folder = tmp_path / "new" / "build"
    names = [f"demo_7_{place}.json" for place in range(3)]
    assert sorted(path.name for path in folder.iterdir()) == [*names, "demo_info_7.json", "notes.txt"]
    frames = [read(folder / name) for name in names]
    assert [frame["state"]["place"] for frame in frames] == [0, 1, 2]
    assert [frame["index"] for frame in frames] == [1, 2, 3]
    assert [frame["prev_frame"] for frame in frames] == [None, *names[:2]]
    assert [frame["next_frame"] for frame in frames] == [*names[1:], None]
    assert read(folder / "demo_info_7.json") == {"name": "My episode", "first": names[0], "last": names[-1]}


def test_an_environment_can_be_rendered(tmp_path: Path) -> None:
    env = DummyEnv(task="rain")
    asyncio.run(env.reset())
    renderer = Renderer(prefix="dummy")
    renderer.append(env.export_frame())
    assert env.export_frame() in renderer.frames
    assert len(str(renderer.id)) == 16
    renderer.build(tmp_path)
    frame = read(tmp_path / f"dummy_{renderer.id}_0.json")
    assert frame["state"]["messages"] == ["Write a 5 word story via print_story about rain"]


def test_without_frames_nothing_is_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Renderer(prefix="demo").build(tmp_path)
    assert "No frames" in caplog.text
    assert not list(tmp_path.iterdir())


def test_missing_extra_files_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    renderer = Renderer(prefix="demo", frames=[Frame()])
    with caplog.at_level(logging.WARNING):
        renderer.build(tmp_path, extra_files=[tmp_path / "missing"])
    assert "Failed to copy" in caplog.text
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("prefix", ["", "a_b", "a/b"])
def test_a_prefix_is_letters_and_digits(prefix: str) -> None:
    with pytest.raises(ValidationError, match="alphanumeric"):
        Renderer(prefix=prefix)


class TestUpload:
    @pytest.fixture
    def keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("CF_ACCOUNT_ID", "CF_ACCESS_KEY_ID", "CF_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, name.lower())

    @pytest.mark.usefixtures("keys")
    def test_all_files_go_to_the_bucket(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[dict[str, Any]] = []
        sent: list[tuple[str, str, Any]] = []

        def client(service: str, **settings: Any) -> Any:
            asked.append({"service": service, **settings})
            return SimpleNamespace(
                upload_fileobj=lambda file, bucket, name: sent.append((bucket, name, json.load(file)))
            )

        monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(client=client))
        Renderer(prefix="demo", id="x", frames=[Frame(state=1)]).build(tmp_path, r2_bucket="mine")
        assert asked[0]["service"] == "s3"
        assert asked[0]["endpoint_url"] == "https://cf_account_id.r2.cloudflarestorage.com"
        assert [(bucket, name) for bucket, name, _ in sent] == [("mine", "demo_x_0.json"), ("mine", "demo_info_x.json")]
        assert sent[0][2]["state"] == 1

    @pytest.mark.usefixtures("keys")
    def test_it_needs_its_package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "boto3", None)
        with pytest.raises(ConfigError, match=r"install textgrad-agents\[cloud\]"):
            Renderer(prefix="demo", frames=[Frame()]).build(tmp_path, r2_bucket="mine")

    def test_it_needs_credentials(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CF_ACCOUNT_ID", raising=False)
        with pytest.raises(ConfigError, match="Cloudflare R2 credentials unset; set CF_ACCOUNT_ID"):
            Renderer(prefix="demo", frames=[Frame()]).build(tmp_path, r2_bucket="mine")
