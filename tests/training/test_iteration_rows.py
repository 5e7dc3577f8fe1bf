"""Which version is the best, and for how long nothing was better."""

import pytest

from training.iteration_rows import Best, best_version, without_better


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


@pytest.mark.parametrize(
    ("averages", "min_delta", "count"),
    [([], 0, 0), ([1], 0, 0), ([1, 1], 0, 1), ([1, 2, 2, 1], 0, 2), ([1, 2, 3], 0, 0), ([1, 1.5, 2.5, 3], 1, 1)],
)
def test_iterations_without_a_better_mean_return(averages, min_delta, count):
    assert without_better(rows(*averages) if averages else [], min_delta) == count
