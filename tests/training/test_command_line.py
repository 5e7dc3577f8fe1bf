"""Flags made from a settings table."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from textgrad_agents.errors import ConfigError, EngineReplyError
from training.cli import COMMANDS
from training.cli import main as cli
from training.command_line import Parser, add_model, exit_code


class Inner(BaseModel):
    name: Literal["inner"] = "inner"
    width: Annotated[float, Field(description="in 100 % of px")] = 2.5


class Rates(BaseModel):
    rate: float = 0.1


class Settings(BaseModel):
    name: Annotated[str | None, Field(description="who")] = None
    count: int = 3
    kind: Literal["a", "b"] = "a"
    loud: bool = True
    hidden: int = 0
    inner: Inner = Inner()
    rates: Rates = Rates()


@pytest.fixture
def parser():
    made = Parser(prog="it")
    add_model(made, Settings, leave_out=("hidden", "name"))
    return made


def test_only_what_is_given_is_there(parser):
    assert vars(parser.parse_args([])) == {}
    given = parser.parse_args(["--count", "4", "--no-loud", "--width", "1.5", "--kind", "z"])
    assert vars(given) == {"count": 4, "loud": False, "width": 1.5, "kind": "z"}


def test_help_tells_meaning_default_and_choices(parser):
    text = " ".join(parser.format_help().split())
    assert "--width FLOAT in 100 % of px (default: 2.5)" in text
    assert "--kind {a,b}" in text
    assert "--hidden" not in text
    assert "--rates JSON" in text
    assert '(a JSON object, such as {"rate": 0.1})' in text


def test_a_wrong_flag_is_one_line(parser, capsys):
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(["--count", "four"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: argument --count: invalid int value: 'four' (see it --help)\n"


def test_exit_codes_tell_given_from_gone_wrong():
    assert exit_code(ConfigError("x")) == 2
    assert exit_code(EngineReplyError("x")) == 1
    assert exit_code(OSError("x")) == 1


def test_the_command_lists_what_it_can_do(capsys):
    assert cli([]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)
    with pytest.raises(SystemExit) as stop:
        cli(["fly"])
    assert stop.value.code == 2
    assert "no command 'fly'" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli([name, "--help"])
    assert stop.value.code == 0
    assert f"usage: textgrad-agents {name}" in capsys.readouterr().out


def test_models_and_policies(capsys, tmp_path, monkeypatch):
    from training.policy_manager import PolicyManager

    monkeypatch.chdir(tmp_path)
    assert cli(["models"]) == 0
    assert "gpt-4o-mini" in capsys.readouterr().out
    manager = PolicyManager("policies/policy.json", 2)
    manager.save_updated_policies({"piston_0": "rise", "piston_1": "rise"}, {"avg_reward": 5.0, "decision": "accepted"})
    assert cli(["policies", "show"]) == 0
    out = capsys.readouterr().out
    assert "piston_0, piston_1\nrise" in out
    assert "average 5.0" in out
    assert cli(["policies", "diff", "0", "1"]) == 0
    assert "+rise" in capsys.readouterr().out
    assert cli(["policies", "reset", "0"]) == 0
    capsys.readouterr()
    assert cli(["policies", "publish", "best.json", "--description", "rises"]) == 0
    published = PolicyManager("best.json", 2)
    assert published.get_current_policies() == {
        "piston_0": "No rules are known yet.",
        "piston_1": "No rules are known yet.",
    }
    assert (published.file.published, published.file.description) == (True, "rises")
    with pytest.raises(SystemExit):
        cli(["policies", "publish", "best.json", "--description", "again"])
    assert "best.json exists" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        cli(["policies", "reset", "7"])
    assert stop.value.code == 2
    assert "there is no iteration 7; there are" in capsys.readouterr().err
