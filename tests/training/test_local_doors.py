"""Local models on the command line: `serve` and `doctor`."""

from __future__ import annotations

from pathlib import Path

import pytest
from local_models import character_tokenizer, tiny_model, tiny_module

from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Engine
from training.commands import doctor, serve


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny_module().save_pretrained(folder)
    character_tokenizer().save_pretrained(folder)
    model = tiny_model()
    model.add_adapter("solver")
    model.save_adapter("solver", folder / "solver")
    return folder


def test_serve_takes_a_folder_and_adapters(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[Engine, int]] = []

    async def note(engine: Engine, port: int) -> None:
        served.append((engine, port))

    monkeypatch.setattr(serve, "_serve", note)
    adapter = str(folder / "solver")
    assert serve.main([f"local:{folder}", "--adapter", adapter, "--device", "cpu", "--port", "0"]) == 0
    ((engine, port),) = served
    assert (engine.name, port) == (f"local:{folder}", 0)
    assert getattr(engine, "adapter", None) == "solver"
    with pytest.raises(ConfigError, match="belong to an engine local:FOLDER, not to rulebook"):
        serve.main(["rulebook", "--adapter", adapter])


def test_doctor_says_where_a_local_model_would_run(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert doctor.main(["--model", f"local:{folder}", "--experiments_dir", str(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "in this process, with tokenizer and chat template" in said
    assert "device" in said
    assert "cpu in float32" in said or "cuda in bfloat16" in said
    assert doctor.main(["--model", f"local:{tmp_path}", "--experiments_dir", str(tmp_path)]) == 1
    assert "has no config.json" in " ".join(capsys.readouterr().out.split())
