"""Every distribution against its closed form, and against many seeded draws."""

import math

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from scenarios.fields import distributions
from scenarios.fields.distributions import Constant, Distribution, Exponential, Interval, RandomInterval

DRAWS = 20_000
read = TypeAdapter(Distribution).validate_python

HYPER = 0.5 * (1 + math.sqrt(8 / 10))  # cv 3: the share of the branch that is taken often
FORMS = {
    "uniform": ({"uniform": {"low": "2s", "high": "6s"}}, stats.uniform(2, 4)),
    "exponential": ({"exponential": {"mean": "3s"}}, stats.expon(scale=3)),
    "normal": ({"normal": {"mean": "3s", "sd": "1s"}}, stats.truncnorm(-3, np.inf, 3, 1)),
    "normal that is cut a lot": ({"normal": {"mean": "1s", "sd": "2s"}}, stats.truncnorm(-0.5, np.inf, 1, 2)),
    "normal that is half": ({"normal": {"mean": 0, "sd": "2s"}}, stats.halfnorm(scale=2)),
    "lognormal": (
        {"lognormal": {"mean": "3s", "cv": 0.5}},
        stats.lognorm(math.sqrt(math.log(1.25)), scale=3 / math.sqrt(1.25)),
    ),
    "weibull": ({"weibull": {"scale": "3s", "shape": 1.5}}, stats.weibull_min(1.5, scale=3)),
    "weibull of early failures": ({"weibull": {"scale": "3s", "shape": 0.7}}, stats.weibull_min(0.7, scale=3)),
    "erlang": ({"erlang": {"k": 4, "mean": "3s"}}, stats.erlang(4, scale=0.75)),
    "pareto": ({"pareto": {"minimum": "2s", "alpha": 3}}, stats.pareto(3, scale=2)),
}
every_form = pytest.mark.parametrize(("written", "closed"), FORMS.values(), ids=FORMS.keys())


def draws(distribution, size=DRAWS, seed=7):
    return distribution.sample(np.random.default_rng(seed), size)


def test_every_supported_form_is_tested():
    checked = {next(iter(written)) for written, _ in FORMS.values()} | {"constant", "hyperexponential", "empirical"}
    assert {form.kind for form in distributions.FORMS} == checked


@every_form
def test_the_mean_matches_the_closed_form(written, closed):
    assert read(written).mean == pytest.approx(closed.mean(), rel=1e-12)


@every_form
def test_draws_have_the_mean_of_the_closed_form(written, closed):
    drawn = draws(read(written))
    assert abs(drawn.mean() - closed.mean()) < 4 * closed.std() / math.sqrt(DRAWS)


@every_form
def test_draws_follow_the_closed_form_distribution(written, closed):
    assert stats.kstest(draws(read(written)), closed.cdf).pvalue > 1e-4


@every_form
def test_draws_are_not_negative_and_reproducible_by_seed(written, closed):
    distribution = read(written)
    drawn = draws(distribution)
    assert drawn.min() >= 0
    assert (drawn == draws(distribution)).all()
    assert (drawn != draws(distribution, seed=8)).any()


def test_a_hyperexponential_has_the_given_mean_and_variation():
    distribution = read({"hyperexponential": {"mean": "3s", "cv": 3}})
    drawn = draws(distribution, 200_000)
    assert distribution.mean == 3
    assert abs(drawn.mean() - 3) < 4 * 9 / math.sqrt(200_000)
    assert drawn.std() / drawn.mean() == pytest.approx(3, rel=0.05)


def test_a_hyperexponential_is_a_mixture_of_two_exponentials_with_balanced_means():
    drawn = draws(read({"hyperexponential": {"mean": "3s", "cv": 3}}))
    often, seldom = stats.expon(scale=3 / (2 * HYPER)), stats.expon(scale=3 / (2 * (1 - HYPER)))
    assert stats.kstest(drawn, lambda x: HYPER * often.cdf(x) + (1 - HYPER) * seldom.cdf(x)).pvalue > 1e-4


def test_a_hyperexponential_of_variation_one_is_exponential():
    drawn = draws(read({"hyperexponential": {"mean": "3s", "cv": 1}}))
    assert stats.kstest(drawn, stats.expon(scale=3).cdf).pvalue > 1e-4


@pytest.mark.parametrize("kind", ["lognormal", "hyperexponential"])
def test_the_largest_variation_gives_finite_draws(kind):
    drawn = draws(read({kind: {"mean": "3s", "cv": 1000}}))
    assert np.isfinite(drawn).all()


def test_a_constant_always_gives_the_same_value():
    distribution = read({"constant": {"value": "3s"}})
    assert (distribution.mean, distribution.constant) == (3, 3)
    assert draws(distribution, 4).tolist() == [3, 3, 3, 3]


@pytest.mark.parametrize("written", ["250ms", 0.25, "0.25"])
def test_a_bare_duration_is_a_constant(written):
    assert read(written) == Constant(value=0.25)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ({"uniform": {"low": "2s", "high": "2s"}}, 2),
        ({"normal": {"mean": "2s", "sd": 0}}, 2),
        ({"lognormal": {"mean": "2s", "cv": 0}}, 2),
    ],
)
def test_a_distribution_without_spread_is_a_constant(written, value):
    distribution = read(written)
    assert (distribution.constant, distribution.mean) == (value, value)
    assert draws(distribution, 3) == pytest.approx([value] * 3)


@every_form
def test_a_distribution_with_spread_is_not_a_constant(written, closed):
    assert read(written).constant is None


def test_a_heavy_tail_has_an_infinite_mean():
    assert read({"pareto": {"minimum": "2s", "alpha": 1}}).mean == math.inf
    assert read({"pareto": {"minimum": "2s", "alpha": 1.5}}).mean == 6


def test_an_overflowing_mean_is_infinite():
    assert read({"weibull": {"scale": "1s", "shape": 0.001}}).mean == math.inf


@pytest.mark.parametrize(
    "wrong",
    [
        {"constant": {"value": "-1s"}},
        {"constant": {"value": 10**400}},
        {"uniform": {"low": "3s", "high": "2s"}},
        {"uniform": {"low": "-3s", "high": "2s"}},
        {"exponential": {"mean": "0s"}},
        {"exponential": {"rate": 2}},
        {"normal": {"mean": "-1s", "sd": "1s"}},
        {"normal": {"mean": "1s", "sd": "-1s"}},
        {"lognormal": {"mean": "0s", "cv": 1}},
        {"lognormal": {"mean": "1s", "cv": -1}},
        {"lognormal": {"mean": "1s", "cv": 1e200}},
        {"hyperexponential": {"mean": "1s", "cv": 0.9}},
        {"hyperexponential": {"mean": "1s", "cv": 1e9}},
        {"weibull": {"scale": "0s", "shape": 1}},
        {"weibull": {"scale": "1s", "shape": 0}},
        {"erlang": {"k": 0, "mean": "1s"}},
        {"erlang": {"k": 1.5, "mean": "1s"}},
        {"pareto": {"minimum": "0s", "alpha": 2}},
        {"pareto": {"minimum": "1s", "alpha": 0}},
        {"empirical": {"file": "a.csv", "column": "b"}},
        {"uniform": {"low": "1s", "high": "2s"}, "constant": {"value": "1s"}},
        {},
        None,
        [1, 2],
    ],
)
def test_impossible_parameters_are_rejected(wrong):
    with pytest.raises(ValidationError):
        read(wrong)


def test_a_time_between_events_must_be_positive():
    interval = TypeAdapter(Interval).validate_python
    assert interval("5m") == Constant(value=300)
    for never in ("0s", {"uniform": {"low": 0, "high": 0}}):
        with pytest.raises(ValidationError, match="has a mean of 0"):
            interval(never)


def test_a_bare_mtbf_is_the_mean_of_an_exponential():
    random_interval = TypeAdapter(RandomInterval).validate_python
    assert random_interval("5m") == Exponential(mean=300)
    assert random_interval({"constant": {"value": "5m"}}) == Constant(value=300)
    with pytest.raises(ValidationError):
        random_interval("0s")
