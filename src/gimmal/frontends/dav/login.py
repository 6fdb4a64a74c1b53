"""Who may use a network drive: whoever knows the password of this run."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any

from wsgidav.dc.base_dc import BaseDomainController
from wsgidav.http_authenticator import HTTPAuthenticator

from gimmal.base.primitives import equal, random_bytes

USER = "gimmal"
REALM = "gimmal"

PASSWORD_BYTES = 15
"""Of randomness: 24 letters and digits."""


@dataclass(frozen=True)
class Login:
    """What a client has to show; made anew for each run, and worth nothing after it."""

    user: str
    password: str = field(repr=False)


def new_login() -> Login:
    """A login that nobody can guess."""
    return Login(USER, base64.b32encode(random_bytes(PASSWORD_BYTES)).decode("ascii").lower())


def domain_controller(login: Login) -> type[BaseDomainController]:
    """What wsgidav asks whether a client may come in."""

    class OneLogin(BaseDomainController):
        """Knows one login, for everything."""

        def get_domain_realm(self, path_info: str, environ: Mapping[str, Any]) -> str:
            """The one realm."""
            return REALM

        def require_authentication(self, realm: str, environ: Mapping[str, Any] | None) -> bool:
            """Always."""
            return True

        def basic_auth_user(self, realm: str, user_name: str, password: str, environ: Mapping[str, Any]) -> bool:
            """Whether a user's name and password, as sent, are those."""
            given = f"{user_name}:{password}".encode()
            return equal(given, f"{login.user}:{login.password}".encode())

        def supports_http_digest_auth(self) -> bool:
            """It does: Windows sends no password otherwise."""
            return True

        def digest_auth_user(self, realm: str, user_name: str, environ: Mapping[str, Any]) -> str | bool:
            """What a digest is computed from (RFC 7616, section 3.4.2), or that there is no such user."""
            if user_name != login.user:
                return False
            # MD5 is what all clients know; of a password with 120 bits of chance it gives nothing away.
            return md5(f"{login.user}:{REALM}:{login.password}".encode(), usedforsecurity=False).hexdigest()

    return OneLogin


class Authenticator(HTTPAuthenticator):
    """Takes a password as Basic and as Digest, but asks for a digest alone: that shows the password to nobody."""

    def send_basic_auth_response(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """Ask for a digest."""
        answer: list[bytes] = self.send_digest_auth_response(environ, start_response)
        return answer
