"""The proxy variables as desktops and VPN tools set them, and what libraries are given instead."""

import os
import subprocess
import sys
from collections.abc import Mapping
from unittest import mock

import httpx
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from connectors.proxies import NAMES, Proxies, read_proxies
from tests.paths import ROOT

CLASH = {
    "http_proxy": "http://127.0.0.1:7890",
    "https_proxy": "http://127.0.0.1:7890",
    "all_proxy": "socks5://127.0.0.1:7890",
}
LOCAL = "localhost,127.0.0.1,::1"
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
VALUES = WORDS | st.sampled_from(
    [
        "localhost,[::1]",
        "*",
        "[::1]:80",
        "fe80::/10",
        "socks://h:1",
        "http://[",
        "<local>",
        "*.a.b",
        "a b",
        "h:x",
    ]
)


def read(environ: Mapping[str, str], *, has_socks: bool = False) -> Proxies:
    return read_proxies(environ, is_installed=lambda _: has_socks)


def test_nothing_set_changes_nothing() -> None:
    found = read({"PATH": "/bin"})

    assert (dict(found.environment), dict(found.unusable), found.lines()) == ({}, {}, [])
    assert found.problem("https://api.example.com") == ""


@pytest.mark.parametrize(
    ("environ", "https"),
    [
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://proxy:3128", "https_proxy": "proxy2:80"}, "http://proxy2:80"),
        ({"ALL_PROXY": "https://user:pw@proxy:3128"}, "https://user:pw@proxy:3128"),
        (CLASH, "http://127.0.0.1:7890"),
        ({"HTTPS_PROXY": "http://proxy:3128", "ALL_PROXY": "nonsense://x"}, "http://proxy:3128"),
    ],
)
def test_proxy_that_can_be_used_is_handed_on(environ: dict[str, str], https: str) -> None:
    found = read(environ)

    assert found.environment["https_proxy"] == https
    assert found.environment["no_proxy"] == LOCAL
    assert found.problem("https://api.example.com") == ""


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:7890", "socks5h://p:1", "socks://127.0.0.1:1080/"])
def test_socks_without_its_packages_is_named_with_its_remedy(value: str) -> None:
    found = read({"ALL_PROXY": value})

    assert dict(found.environment) == {"no_proxy": LOCAL}
    assert found.lines() == [
        f"ALL_PROXY: {value} cannot be used: SOCKS needs socksio and PySocks, not installed here: install that,"
        " write it as http://host:port, which most such proxies speak too, or unset it"
    ]
    assert found.problem("https://api.example.com") == found.lines()[0]
    for direct in (
        "http://localhost:11434/v1",
        "http://127.0.0.1:8000",
        "http://[::1]:1",
        "http://127.3.2.1",
    ):
        assert found.problem(direct) == ""


def test_socks_with_its_packages_is_used_by_its_right_name() -> None:
    found = read({"ALL_PROXY": "socks://127.0.0.1:1080/"}, has_socks=True)

    assert found.environment["https_proxy"] == found.environment["http_proxy"] == "socks5://127.0.0.1:1080"
    assert found.lines() == []


@pytest.mark.parametrize(
    "value", ["socks4://p:1", "ftp://p:1", "http://", "http://p:port", "http://[::1", "http://p:0"]
)
def test_what_is_no_proxy_is_named_without_its_password(value: str) -> None:
    found = read({"HTTPS_PROXY": value.replace("://", "://user:hidden@")})

    (line,) = found.lines()
    assert line.startswith("HTTPS_PROXY: ")
    assert "hidden" not in line
    assert found.problem("https://api.example.com")
    assert found.problem("http://api.example.com") == ""


@pytest.mark.parametrize(
    ("value", "hosts", "left_out"),
    [
        ("localhost,[::1]", "", ()),
        ("[::1]:8080, .Example.com", ",.Example.com", ()),
        ("*.corp.example ; 10.0.0.0/8", ",.corp.example,10.0.0.0/8", ()),
        ("fe80::/10,<local>,a:b:c,host:80", ",host:80", ("fe80::/10", "<local>", "a:b:c")),
        ("http://intern.example/", ",intern.example", ()),
        ("*", ",*", ()),
    ],
)
def test_hosts_to_be_asked_directly_are_spelt_as_all_libraries_read_them(
    value: str, hosts: str, left_out: tuple[str, ...]
) -> None:
    found = read({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": value})

    assert found.environment["no_proxy"] == LOCAL + hosts
    assert found.left_out == left_out
    assert bool(found.lines()) == bool(left_out)


@pytest.mark.parametrize(
    ("no_proxy", "host", "is_direct"),
    [
        ("example.com", "api.example.com", True),
        ("example.com", "notexample.com", False),
        (".example.com", "example.com", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("host:80", "host", True),
        ("*", "anything", True),
        ("", "model.localhost", True),
    ],
)
def test_named_hosts_need_no_proxy(no_proxy: str, host: str, is_direct: bool) -> None:
    found = read({"ALL_PROXY": "socks5://p:1", "NO_PROXY": no_proxy})

    assert found.is_direct(host) == is_direct
    assert (found.problem(f"https://{host}/v1") == "") == is_direct


@given(st.dictionaries(st.sampled_from([*NAMES, *map(str.upper, NAMES)]), VALUES))
def test_libraries_can_read_whatever_was_set(environ: dict[str, str]) -> None:
    with mock.patch.dict(os.environ, {}, clear=True):
        read(environ).apply(os.environ)

        httpx.Client().close()
        requests.utils.get_environ_proxies("https://api.example.com")
        for direct in ("http://127.0.0.1:8000", "http://localhost:1", "http://[::1]:2"):
            assert requests.utils.should_bypass_proxies(direct, None) or not requests.utils.getproxies()


@pytest.mark.system
@pytest.mark.parametrize("value", ["socks5://127.0.0.1:9", "socks://127.0.0.1:9", "http://127.0.0.1:9"])
def test_model_library_loads_and_the_builtin_analyst_answers_whatever_is_set(value: str) -> None:
    code = """
import django; django.setup()
from ai import builtin, gateway
from ai.domain.prompt import render_messages
from ai.domain.request import request_for
from tests.ai.factories import make_question
asked = request_for(builtin.MODEL, render_messages(make_question("AAPL")), response_format=None)
print(bool(gateway.complete(asked, timeout_seconds=60).text))
try:
    asked = request_for("openai/x", [], response_format=None, api_base="https://model.invalid/v1")
    gateway.complete(asked, timeout_seconds=60, api_key="sk-test")
except Exception as error:
    print(type(error).__name__, error)
"""
    environ = {
        "ALL_PROXY": value,
        "NO_PROXY": "localhost,[::1]",
        "DJANGO_SETTINGS_MODULE": "orchestrator_project.settings",
    }
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=os.environ | environ, capture_output=True, text=True, check=False,
    )  # fmt: skip

    answered, refused = ran.stdout.strip().splitlines()
    assert answered == "True", ran.stderr
    assert refused.startswith("ModelUnavailableError")
    assert ("SOCKS needs" in refused) == value.startswith("socks")
