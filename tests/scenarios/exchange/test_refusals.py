"""Files of other frameworks: what the framework does not have is refused with its line, and nothing is executed."""

import pytest

from recovery.policies.retry import RetryPolicy
from scenarios.errors import ScenarioError
from scenarios.exchange.frameworks import FRAMEWORKS
from scenarios.exchange.portable import NEVER, Portable
from scenarios.exchange.shapes import is_same


def refusal(framework, text):
    with pytest.raises(ScenarioError) as caught:
        FRAMEWORKS[framework].load(text, "file")
    return str(caught.value)


@pytest.mark.parametrize(
    ("framework", "text", "said"),
    [
        (
            "temporal",
            "RetryPolicy(\n    initial_interval=timedelta(seconds=1),\n    maximum_atempts=3,\n)",
            "file:3: maximum_atempts: RetryPolicy has no such argument; known: initial_interval, backoff_coefficient, ",
        ),
        ("temporal", '{\n"initialInterval": "1s",\n"jitter": true}', "file:3: jitter: RetryPolicy has no such key; "),
        (
            "temporal",
            '{"initialInterval": 1}',
            "file:1: initialInterval: 1 is not a duration; valid: a text such as 1.5s",
        ),
        (
            "temporal",
            "RetryPolicy{\n\tInitialIntervall: time.Second,\n}",
            "file:2: InitialIntervall: RetryPolicy has no",
        ),
        ("temporal", "RetryPolicy{\n\tInitialInterval: wait(),\n}", "nothing is executed"),
        (
            "temporal",
            "RetryPolicy(initial_interval=timedelta(seconds=9), maximum_interval=timedelta(seconds=1))",
            "below",
        ),
        ("temporal", "x = 1", "file:1: has no RetryPolicy(…); valid: Python source with one"),
        (
            "temporal",
            "RetryPolicy()\nRetryPolicy()",
            "file:2: has 2 policies, on lines 1, 2; valid: one RetryPolicy(…)",
        ),
        ("temporal", "RetryPolicy(**options)", "file:1: RetryPolicy: ** is not read; "),
        ("temporal", "RetryPolicy(maximum_attempts=-1)", "-1 is not valid; valid: 0 or more"),
        ("temporal", "RetryPolicy(maximum_attempts=open('x').read())", "nothing is executed; valid: a literal value"),
        ("temporal", "RetryPolicy(backoff_coefficient=9**9**9)", "nothing is executed"),
        ("temporal", "RetryPolicy(backoff_coefficient=1e300*1e300)", "too large"),
        ("temporal", "RetryPolicy(", "file:1: is not Python source: "),
        ("temporal", "RetryPolicy(backoff_coefficient=1/0)", "has no value"),
        ("celery", "dict(max_retry=3)", "file:1: max_retry: dict has no such argument; "),
        ("celery", "dict(retry_kwargs={'delay': 3})", "retry_kwargs.delay: retry_kwargs has no such key; "),
        ("celery", "dict(dont_autoretry_for=('a',))", "has something else than names of exceptions"),
        ("tenacity", "retry(wait=wait_fibonacci(3))", "nothing is executed"),
        ("tenacity", "retry(stop=stop_after_delay(3))", "nothing is executed"),
        ("tenacity", "retry(wait=wait_fixed(seconds=3))", "wait_fixed has no such argument; known: wait"),
        (
            "tenacity",
            "retry(wait=wait_incrementing(1, 5))",
            "with another start than increment is not a policy that can",
        ),
        ("tenacity", "retry(wait=wait_fixed(1) + wait_exponential())", "wait_fixed + wait_exponential is not a policy"),
        ("tenacity", "retry(stop=stop_after_attempt(0))", "0 is not a number of attempts; valid: 1 or more"),
        ("stamina", "stamina.retry(on=E, wait=3)", "wait: retry has no such argument; "),
        (
            "stepfunctions",
            '{"Retry": [{"ErrorEquals": ["States.ALL"],\n"IntervalSecond": 3}]}',
            "file:2: Retry[0].IntervalS",
        ),
        (
            "stepfunctions",
            '{"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1.5}]}',
            "is not a whole number",
        ),
        ("stepfunctions", '{"Retry": [{"IntervalSeconds": 1}]}', "ErrorEquals: is missing or empty"),
        (
            "stepfunctions",
            '{"Retry": [{"ErrorEquals": ["States.ALL"], "MaxDelaySeconds": 1}]}',
            "not greater than Interval",
        ),
        ("stepfunctions", "{}", "has no Retry"),
        (
            "kubernetes",
            "kind: Job\nspec:\n  backofLimit: 3\n",
            "file:3: spec.backofLimit: the spec of a Job has no such key",
        ),
        ("kubernetes", "kind: Pod\n", "file:1: kind: 'Pod' is not valid; valid: Job"),
        (
            "dapr",
            "spec:\n  policies:\n    retries:\n      a: {maxRetry: 3}\n",
            "file:4: spec.policies.retries.a.maxRetry: ",
        ),
        ("dapr", "spec: {policies: {retries: {a: {duration: 5}}}}", "5 is not a duration; valid: 5s, 1m30s"),
        ("dapr", "spec: {policies: {retries: {a: {}}, circuitBreakers: {a: {trip: x}}}}", "cannot be simulated"),
        (
            "resilience4j",
            "resilience4j:\n  retry:\n    instances:\n      a:\n        max-attempt: 3\n",
            "file:5: resilience4j.retry.instances.a.max-attempt: a retry of resilience4j has no such key; ",
        ),
        ("resilience4j", "resilience4j.retry: {instances: {a: {maxAttempts: 0}}}", "0 is not valid; valid: 1 or more"),
        ("aws", "[default]\nretry_mode = standart\n", "file:2: retry_mode: 'standart' is not valid; valid: standard"),
        ("aws", "[default]\nmax_attempt = 3\n", "file:2: max_attempt: an AWS profile has no such key; "),
        ("aws", "retry_mode = standard\n", "file:1: is not an AWS config file"),
        ("dbos", "DBOS.step(interval=3)", "interval: step has no such argument; "),
        ("restate", "RunOptions(max_retries=3)", "max_retries: RunOptions has no such argument; "),
        ("langgraph", "RetryPolicy(max_attempts=0)", "0 is not valid; valid: 1 or more"),
        ("langgraph", "RetryPolicy(maximum_attempts=3)", "(nearest: 'max_attempts')"),
        ("openai-agents", "ModelRetrySettings(backoff={'delay': 3})", "backoff.delay: backoff has no such key; "),
        ("pydantic-ai", "RetryConfig(waits=wait_fixed(3))", "(nearest: 'wait')"),
    ],
)
def test_what_a_framework_does_not_have_is_refused_with_its_place(framework, text, said):
    message = refusal(framework, text)
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("framework", "text", "policy"),
    [
        (
            "celery",
            "@app.task(bind=True, autoretry_for=(Exception,), retry_backoff=True, retry_kwargs={'max_retries': 5})",
            {"max_retries": 5, "retry_delay": 1, "backoff": "exponential", "max_delay": 600, "jitter": "full"},
        ),
        ("celery", "@shared_task(default_retry_delay=30 * 60)", {"max_retries": 3, "retry_delay": 1800}),
        ("celery", "dict(max_retries=None)", {"max_retries": None, "retry_delay": 180}),
        ("celery", "dict(retry_backoff=True, retry_backoff_max=0)", {"max_retries": 3, "retry_delay": 0}),
        (
            "temporal",
            "temporalio.common.RetryPolicy()",
            {"max_retries": None, "retry_delay": 1, "backoff": "exponential", "max_delay": 100},
        ),
        (
            "temporal",
            "rp := temporal.RetryPolicy{\n InitialInterval: time.Minute, // one\n BackoffCoefficient: 1.0,\n}",
            {"max_retries": None, "retry_delay": 60},
        ),
        (
            "stepfunctions",
            '[{"ErrorEquals": ["States.ALL"]}]',
            {"max_retries": 3, "retry_delay": 1, "backoff": "exponential"},
        ),
        (
            "langgraph",
            "RetryPolicy()",
            {"max_retries": 2, "retry_delay": 0.5, "backoff": "exponential", "jitter": "additive"},
        ),
        (
            "stamina",
            "@stamina.retry(on=httpx.HTTPError)",
            {
                "max_retries": 9,
                "retry_delay": 0.1,
                "backoff": "exponential",
                "max_delay": 5,
                "jitter": "additive",
                "deadline": 45,
            },
        ),
        ("tenacity", "@retry(stop=stop_after_attempt(3) | stop_before_delay(9))", {"max_retries": 2, "deadline": 9}),
        (
            "tenacity",
            "@retry(wait=wait_fixed(3) + wait_random(0, 2))",
            {"retry_delay": 4, "jitter": "proportional", "spread": 0.25},
        ),
        ("tenacity", "Retrying(wait=wait_exponential(multiplier=1, min=4, max=10))", None),
        ("dapr", "spec: {policies: {retries: {a: {policy: constant}}}}", {"max_retries": None, "retry_delay": 5}),
        ("kubernetes", "spec: {backoffLimit: 1}", {"max_retries": 1, "retry_delay": 10}),
        (
            "resilience4j",
            "resilience4j.retry: {instances: {a: {wait-duration: PT1M}}}",
            {"max_retries": 2, "retry_delay": 60},
        ),
        ("dbos", "@DBOS.step()", {"max_retries": 0}),
        ("dbos", "@DBOS.step(retries_allowed=True)", {"max_retries": 2, "retry_delay": 1, "backoff": "exponential"}),
    ],
)
def test_files_as_the_documentation_of_a_framework_has_them_are_read(framework, text, policy):
    text += "\ndef work(): ..." if text.startswith("@") else ""
    if policy is None:
        assert "min of wait_exponential is not a policy that can be simulated" in refusal(framework, text)
        return
    expected = Portable(RetryPolicy(**{"max_retries": None, "retry_delay": 0, **policy}))
    assert is_same(FRAMEWORKS[framework].load(text, "file"), expected)


def test_errors_that_are_not_retried_are_read():
    found = FRAMEWORKS["kubernetes"].load(
        "spec: {podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: [42]}}]}}", "file"
    )
    assert found.by_error == {"exit_42": NEVER}
    found = FRAMEWORKS["stepfunctions"].load(
        '[{"ErrorEquals": ["Bad"], "MaxAttempts": 0}, {"ErrorEquals": ["States.ALL"]}]', "file"
    )
    assert found.not_retried == ("Bad",)


def test_an_import_reads_no_file_and_changes_nothing(tmp_path):
    touched = tmp_path / "touched"
    text = f"open({str(touched)!r}, 'w')\nRetryPolicy(maximum_attempts=3)\n"
    assert FRAMEWORKS["temporal"].load(text, "file").policy.max_retries == 2
    assert not touched.exists()


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("text", ["", "[]", "nothing", "\x00", "{" * 200, "a: &a [*a]"])
def test_a_file_of_another_kind_is_refused_in_one_line(framework, text):
    assert refusal(framework, text).startswith("file")
