"""Trainable models by name: one update at a time, errors that say the way out."""

import threading
import time

import pytest

from textgrad_agents import ScriptedEngine
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import UpdateReport
from textgrad_agents.servers import LocalTrainingServer, TrainableModel


class Counting:
    """Counts updates, and notices two at once."""

    def __init__(self):
        self.count = self.inside = self.most = 0

    async def update(self, episodes):
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.002)
        self.count += len(episodes)
        self.inside -= 1
        return UpdateReport("counting", metrics={"count": self.count})

    def save(self, folder):
        folder.mkdir(parents=True)
        (folder / "count").write_text(str(self.count))

    def load(self, folder):
        self.count = int((folder / "count").read_text())


def test_updates_of_one_model_come_one_after_the_other():
    server, learner = LocalTrainingServer(), Counting()
    server.register([("model", learner)])
    threads = [threading.Thread(target=server.update, args=("model", [1, 2])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (learner.count, learner.most) == (16, 1)
    server.close()


def test_checkpoints(tmp_path):
    server = LocalTrainingServer()
    server.register([("a", Counting()), ("b", Counting())])
    server.update("a", [1, 2, 3])
    server.save("a", tmp_path / "a")
    server.load("b", tmp_path / "a")
    assert server.learner("b").count == 3
    assert server.names == ("a", "b")


def test_a_model_with_an_engine():
    engine = ScriptedEngine(["yes"])
    server = LocalTrainingServer()
    server.register([("both", TrainableModel(Counting(), engine)), ("learner", Counting())])
    assert server.engine("both") is engine
    with pytest.raises(ConfigError, match="without an engine"):
        server.engine("learner")


def test_unknown_names_and_closed_servers():
    server = LocalTrainingServer()
    server.register([("model", Counting())])
    with pytest.raises(ConfigError, match="registered are model"):
        server.update("modell", [])
    with pytest.raises(ConfigError, match="taken"):
        server.register([("model", Counting())])
    server.close()
    with pytest.raises(ConfigError, match="closed"):
        server.update("model", [])
