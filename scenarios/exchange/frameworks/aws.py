"""AWS SDKs: the retry settings of the shared config file.

Source: AWS SDKs and Tools Reference Guide, "Retry behavior"; `botocore.retries.standard`, `botocore.retries.quota`,
`botocore.retryhandler`. Only retry_mode and max_attempts, which includes the first attempt, can be set:

- standard, 3 attempts: uniform(0, 1) · min(50 ms · 2^n, 20 s) with n from 0 for transient errors (1 s for throttling),
  and a retry quota, a token bucket of 500 that a retry costs 14 (5 for throttling) and a success without a retry
  refills by 1.
- adaptive: standard, and a limit on the client's rate, which is not simulated.
- legacy, in botocore 5 attempts: uniform(0, 1) · 2^(n-1) s before retry n, without a cap and a quota.

The delays and costs of standard are those since 2026 (AWS_NEW_RETRIES_2026); before, they were 1 s and 5 for all
errors, as in the preset `aws`. A success after a retry returns the cost of that retry; a simulated one returns as much
as any.
"""

from __future__ import annotations

import configparser
import re

from recovery.policies.budget import BudgetPolicy
from recovery.policies.retry import RetryPolicy
from scenarios.errors import ScenarioError, instead
from scenarios.exchange.framework import Framework, Written
from scenarios.exchange.portable import Portable
from scenarios.exchange.shapes import Shape
from scenarios.exchange.values import Values, words

QUOTA, COST = 500, 14
BUDGET = BudgetPolicy(tokens=QUOTA / COST, refill=1 / COST)
"""The retry quota of standard mode, in retries."""
MODES = ("standard", "adaptive", "legacy")
ATTEMPTS = {"standard": 3, "adaptive": 3, "legacy": 5}
MOST = 2**31 - 1
SETTINGS = words(
    "account_id_endpoint_mode api_versions aws_access_key_id aws_account_id aws_secret_access_key "
    "aws_session_token auth_scheme_preference ca_bundle cli_auto_prompt cli_binary_format "
    "cli_follow_urlparam cli_history cli_pager cli_timestamp_format credential_process credential_source "
    "defaults_mode disable_host_prefix_injection disable_request_compression duration_seconds "
    "ec2_metadata_service_endpoint ec2_metadata_service_endpoint_mode ec2_metadata_v1_disabled "
    "endpoint_discovery_enabled endpoint_url external_id ignore_configured_endpoint_urls login_session "
    "max_attempts metadata_service_num_attempts metadata_service_timeout mfa_serial output "
    "parameter_validation region request_checksum_calculation request_min_compression_size_bytes "
    "response_checksum_validation retry_mode role_arn role_session_name s3 "
    "s3_disable_express_session_auth s3_disable_multiregion_access_points s3_us_east_1_regional_endpoint "
    "s3_use_arn_region sdk_ua_app_id services sigv4a_signing_region_set source_profile sso_account_id "
    "sso_region sso_registration_scopes sso_role_name sso_session sso_start_url sts_regional_endpoints "
    "tcp_keepalive use_dualstack_endpoint use_fips_endpoint web_identity_token_file"
)
"""The settings of a profile ("Settings reference")."""


def write(portable: Portable, how: Written) -> str:
    """A profile of the shared config file."""
    policy = portable.policy
    mode = "standard" if policy.budget is not None else "legacy"
    attempts = MOST if policy.max_retries is None else policy.max_retries + 1
    comments = "".join(f"# {line}\n" for line in how.comments)
    return f"{comments}[default]\nretry_mode = {mode}\nmax_attempts = {attempts}\n"


def read(text: str, source: str) -> Portable:
    """The policy of the default profile, or of the only one."""
    parser = configparser.RawConfigParser(strict=True, interpolation=None, default_section="\0")
    try:
        parser.read_string(text)
    except configparser.Error as error:
        line = getattr(error, "lineno", None) or 1
        said = str(error).splitlines()[0]
        raise ScenarioError(f"is not an AWS config file: {said}", source, line) from None
    profiles = [each for each in parser.sections() if re.fullmatch(r"default|profile\s+.+", each)]
    if not profiles:
        raise ScenarioError("has no profile; valid: [default] or [profile NAME]", source, 1)
    chosen = "default" if "default" in profiles else profiles[0]
    if chosen != "default" and len(profiles) > 1:
        raise ScenarioError(f"has {len(profiles)} profiles and no [default]; valid: one of them", source, 1)
    settings = dict(parser.items(chosen))
    values = Values(source, settings, lambda at: _line(text, chosen, str(at[0]) if at else ""))
    values.check(SETTINGS, "an AWS profile")
    mode = values.text("retry_mode", "standard", MODES)
    attempts = settings.get("max_attempts", str(ATTEMPTS[mode]))
    if not re.fullmatch(r"\d{1,10}", attempts) or not 0 < int(attempts) <= MOST:
        raise values.error(
            f"{attempts!r} is not a number of attempts; {instead('3', ('1', '2', '3'), 'valid')}", "max_attempts"
        )
    retries = None if int(attempts) == MOST else int(attempts) - 1
    return Portable(_of_mode(mode, retries))


def _of_mode(mode: str, retries: int | None) -> RetryPolicy:
    is_legacy = mode == "legacy"
    return RetryPolicy(
        max_retries=retries,
        retry_delay=1.0 if is_legacy else 0.05,
        backoff="exponential",
        multiplier=2,
        max_delay=None if is_legacy else 20,
        jitter="full",
        budget=None if is_legacy else BUDGET,
    )


def _line(text: str, section: str, key: str) -> int | None:
    """The line of a key in a section."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[(.+?)\]", line)
        if header is not None:
            inside = header[1].strip() == section
        elif inside and re.match(rf"\s*{re.escape(key)}\s*[=:]", line, re.IGNORECASE):
            return number
    return None


AWS = Framework(
    name="aws",
    title="AWS SDKs, shared config file; max_attempts includes the first attempt, the delays of a mode are fixed",
    source="AWS SDKs and Tools Reference Guide, Retry behavior; botocore.retries",
    shapes=(
        Shape(
            backoffs=("exponential",),
            jitters=("full",),
            most_retries=MOST - 2,
            delay=0.05,
            multiplier=2,
            cap=20.0,
            budget=BUDGET,
        ),
        Shape(
            backoffs=("exponential",),
            jitters=("full",),
            most_retries=MOST - 2,
            delay=1.0,
            multiplier=2,
            has_cap=False,
        ),
    ),
    write=write,
    read=read,
    languages=("ini",),
    notes={"budget": "the delays and the quota of standard mode are those of transient errors since 2026"},
)
