"""The page's server under many clients at once."""

import pytest

from tests.robustness.load import load


@pytest.mark.slow
def test_many_clients_get_what_they_asked_for_or_a_refusal():
    tally = load(clients=200, seconds=4.0)
    assert tally.wrong == []
    assert tally.answers["run done"] > 10
    assert tally.answers["POST 429"] > 10
