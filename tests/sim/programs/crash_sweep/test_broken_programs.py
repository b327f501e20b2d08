"""A sweep finds each broken program of the gallery, replays it by its token, and passes its sound sibling."""

import pytest

import sim
from tests.sim.programs.crash_sweep.broken_programs import JUDGED, PAIRS, READ, nothing, read_state

GALLERY = {
    **{name: (pair, None) for name, pair in PAIRS.items()},
    **{name: (pair, read_state) for name, pair in READ.items()},
    **{name: (pair, nothing) for name, pair in JUDGED.items()},
}


@pytest.mark.parametrize("name", GALLERY)
def test_the_broken_program_is_found_and_its_sound_sibling_is_not(name):
    pair, resume = GALLERY[name]
    report = sim.crash_sweep(sim.Durable, pair.broken, resume, pair.check)
    assert not report
    again = sim.crash_sweep(sim.Durable, pair.broken, resume, pair.check, report.token)
    assert again.trials == (report.smallest,)
    sim.crash_sweep(sim.Durable, pair.sound, resume, pair.check).assert_holds()


@pytest.mark.parametrize("name", ["a resume that repeats", "an outbox without idempotency key"])
def test_the_sound_program_also_survives_a_second_cut_during_its_resume(name):
    report = sim.crash_sweep(sim.Durable, PAIRS[name].sound, None, PAIRS[name].check, "twice")
    report.assert_holds()
    assert any(len(trial.points) == 2 for trial in report.trials)
