"""Who may do what: tokens, cookies, Origin, Host."""

from __future__ import annotations

import httpx
import pytest

from tests.server.live import READ, WRITE, Live

ROW = {"samples": [{"series": "a", "time": 0, "value": 1.0}]}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("method", "path", "none", "wrong", "read", "write"),
    [
        ("GET", "/api/v1/series", 401, 401, 200, 200),
        ("GET", "/api/v1/status", 401, 401, 200, 200),
        ("GET", "/metrics", 401, 401, 200, 200),
        ("GET", "/api/v1/openapi.json", 401, 401, 200, 200),
        ("POST", "/api/v1/samples", 401, 401, 403, 200),
        ("POST", "/api/v1/rules/validate", 401, 401, 200, 200),
        ("DELETE", "/api/v1/series?match=zz", 401, 401, 403, 200),
        ("DELETE", "/api/v1/rules/zz", 401, 401, 403, 404),
        ("GET", "/api/v1/nothing", 401, 401, 404, 404),
        ("GET", "/healthz", 200, 200, 200, 200),
        ("GET", "/readyz", 200, 200, 200, 200),
    ],
)
def test_the_matrix(guarded: Live, method: str, path: str, none: int, wrong: int, read: int, write: int) -> None:
    """Without a token nothing but the probes; a read token reads; a write token does everything."""
    json = ROW if method == "POST" else None
    found = [
        guarded.client.request(method, path, json=json, headers=headers).status_code
        for headers in ({}, bearer("wrong"), bearer(READ), bearer(WRITE))
    ]
    assert [none, wrong, read, write] == found


def test_a_refusal_says_what_to_do(guarded: Live) -> None:
    """401 has the one error shape and names the scheme."""
    answer = guarded.client.get("/api/v1/series")
    assert answer.headers["www-authenticate"] == 'Bearer realm="awry"'
    assert {"code", "message", "hint"} == set(answer.json()["error"])


def test_a_browser_logs_in_once(guarded: Live) -> None:
    """The token is traded for an HttpOnly, SameSite=Strict cookie that is not the token, and logout ends it."""
    with httpx.Client(base_url=guarded.url, trust_env=False) as browser:
        page = browser.get("/", headers={"Accept": "text/html"})
        assert (303, "/login?next=/") == (page.status_code, page.headers["location"])
        answer = browser.post("/login", data={"token": WRITE, "next": "/rules"})
        cookie = answer.headers["set-cookie"]
        assert (303, "/rules") == (answer.status_code, answer.headers["location"])
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert WRITE not in cookie
        assert 200 == browser.get("/api/v1/series").status_code
        assert 403 == browser.post("/api/v1/samples", json=ROW).status_code
        assert 200 == browser.post("/api/v1/samples", json=ROW, headers={"Origin": guarded.url}).status_code
        assert 403 == browser.post("/api/v1/samples", json=ROW, headers={"Origin": "https://evil.example"}).status_code
        session = dict(browser.cookies)
        browser.post("/logout", headers={"Origin": guarded.url})
        assert 401 == httpx.get(f"{guarded.url}/api/v1/series", cookies=session, trust_env=False).status_code


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_login_goes_on_to_this_server_only(guarded: Live, target: str) -> None:
    """A foreign `next` becomes the overview."""
    # not by the shared client: it would keep the cookie
    answer = httpx.post(f"{guarded.url}/login", data={"token": READ, "next": target}, trust_env=False)
    assert "/" == answer.headers["location"]


def test_a_wrong_token_gets_no_cookie(guarded: Live) -> None:
    """Neither by form nor by JSON."""
    form = guarded.client.post("/login", data={"token": "wrong"})
    json = guarded.client.post("/login", json={"token": "wrong"})
    assert [401, 401] == [form.status_code, json.status_code]
    assert "set-cookie" not in form.headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:5", 200),
        ("[::1]:80", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("evil.example@127.0.0.1", 421),
        ("", 421),
        ("127.0.0.1:x", 421),
    ],
)
def test_only_known_host_names(live: Live, host: str, status: int) -> None:
    """Host is a loopback name or a configured one, with or without tokens: no DNS rebinding."""
    assert status == live.client.get("/api/v1/series", headers={"Host": host}).status_code


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_site_cannot_write_to_an_open_server(live: Live, headers: dict[str, str]) -> None:
    """A page on another site that posts to loopback is refused, tokens or not."""
    assert 403 == live.client.post("/api/v1/samples", json=ROW, headers=headers).status_code


def test_security_headers_on_every_answer(live: Live) -> None:
    """Pages, API and refusals alike forbid foreign content and framing."""
    for path in ("/", "/api/v1/series", "/nothing"):
        headers = live.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "nosniff" == headers["x-content-type-options"]
        assert "DENY" == headers["x-frame-options"]
