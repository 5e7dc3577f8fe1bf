"""Which version is the best, and for how long nothing was better."""

import pytest

from textgrad_agents.interfaces import UpdateReport
from textgrad_agents.trajectory import Episode
from training.iteration_rows import COUNTED, Best, best_version, iteration_row, without_better


def rows(*averages, accepted=False, gain=None):
    """Rows with these mean returns; what is accepted is so in the last."""
    found = [
        {"iteration": i, "avg_reward": average, "accepted": False, "gain": None} for i, average in enumerate(averages)
    ]
    found[-1] |= {"accepted": accepted, "gain": gain}
    return found


def test_the_best_is_the_version_that_earned_most_and_the_earlier_of_equals():
    assert best_version([]) is None
    assert best_version(rows(1.0, 5.0, 5.0, 2.0)) == Best(1, 5.0)


def test_the_last_version_counts_with_what_the_gate_saw_it_gain():
    assert best_version(rows(1.0, 5.0, accepted=True, gain=3.0)) == Best(2, 8.0)
    assert best_version(rows(9.0, 5.0, accepted=True, gain=3.0)) == Best(0, 9.0)
    assert best_version(rows(1.0, 5.0, accepted=True)) == Best(1, 5.0), "no gate tested it"


def test_a_last_version_with_new_weights_was_not_tested_against_the_one_before():
    made = rows(1.0, 5.0, accepted=True, gain=3.0)
    made[-1]["weights"] = {"changed": False}
    assert best_version(made) == Best(2, 8.0)
    made[-1]["weights"] = {"changed": True}
    assert best_version(made) == Best(1, 5.0)


def row(*reports):
    return iteration_row(0, "central_credit", [Episode(total_reward=1.0)], reports, {}, [])


@pytest.mark.parametrize("changed", [True, False])
def test_only_the_textual_learner_says_whether_policies_were_accepted(changed):
    textual = UpdateReport("textual", changed=changed, notes=("words",))
    numeric = UpdateReport("lora", changed=not changed, notes=("numbers",))
    assert row(textual)["accepted"] is changed
    assert row(numeric, textual)["accepted"] is changed
    assert row(numeric)["accepted"] is None
    assert row()["accepted"] is None
    assert row(numeric, textual)["decision"] == "numbers; words"
    assert (row(numeric)["decision"], row()["decision"]) == ("numbers", "nothing learns")
    assert row(numeric)["weights"]["changed"] is not changed
    assert "weights" not in row(textual)


def test_updates_of_weights_are_added_up_and_the_last_finite_measure_stays():
    one = UpdateReport("lora", changed=True, metrics={"steps": 2.0, "rows": 5.0, "loss": 0.5, "grad_norm": 1.0})
    two = UpdateReport("lora", metrics={"steps": 0.0, "rows": 3.0, "loss": float("nan"), "broken_steps": 1.0})
    weights = row(one, two)["weights"]
    assert weights == dict.fromkeys(COUNTED, 0) | {
        "changed": True,
        "steps": 2,
        "rows": 8,
        "broken_steps": 1,
        "loss": 0.5,
        "grad_norm": 1.0,
    }


@pytest.mark.parametrize(
    ("averages", "min_delta", "count"),
    [([], 0, 0), ([1], 0, 0), ([1, 1], 0, 1), ([1, 2, 2, 1], 0, 2), ([1, 2, 3], 0, 0), ([1, 1.5, 2.5, 3], 1, 1)],
)
def test_iterations_without_a_better_mean_return(averages, min_delta, count):
    assert without_better(rows(*averages) if averages else [], min_delta) == count
