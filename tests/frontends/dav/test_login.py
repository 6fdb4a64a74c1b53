"""The login of one run."""

from __future__ import annotations

from hashlib import md5

from gimmal.frontends.dav.login import REALM, Login, domain_controller, new_login


def test_no_two_runs_have_the_same_and_it_shows_nowhere() -> None:
    passwords = {new_login().password for _ in range(100)}
    assert len(passwords) == 100
    assert all(len(one) == 24 and one.isascii() and one.isalnum() for one in passwords)
    assert "secret" not in repr(Login("gimmal", "secret"))


def test_only_this_login_is_let_in() -> None:
    ask = domain_controller(Login("gimmal", "secret"))(None, {})
    assert ask.require_authentication(REALM, None)
    assert ask.basic_auth_user(REALM, "gimmal", "secret", {})
    for user, password in (
        ("gimmal", ""),
        ("", "secret"),
        ("gimmal", "Secret"),
        ("gimmal:secret", ""),
        ("ü", "secret"),
    ):
        assert not ask.basic_auth_user(REALM, user, password, {})
    assert ask.digest_auth_user(REALM, "gimmal", {}) == md5(b"gimmal:gimmal:secret").hexdigest()
    assert ask.digest_auth_user(REALM, "root", {}) is False
