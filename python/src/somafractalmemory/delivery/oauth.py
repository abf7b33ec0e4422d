"""Bearer tokens for the broker, by the client credentials grant of OAuth 2.0 (RFC 6749, section 4.4)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

import httpx

_SECONDS: Final = 10.0
_LIFETIME_DEFAULT: Final = 300.0
"""How long a token counts whose endpoint does not say."""


class TokenRefusedError(Exception):
    """The endpoint gave no token."""


@dataclass
class TokenSource:
    """Who asks for tokens, and where."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str | None = None
    _first: tuple[str, float] | None = field(default=None, repr=False)

    def prepare(self, seconds: float) -> None:
        """Fetches the first token before a client asks for it, so that a refusal is told and not waited for."""
        self._first = self._fetch(min(seconds, _SECONDS))

    def fetch(self, _config: str | None) -> tuple[str, float]:
        """A token and the moment at which it expires, in seconds since 1970. The client asks again in time."""
        first, self._first = self._first, None
        return first or self._fetch(_SECONDS)

    def _fetch(self, seconds: float) -> tuple[str, float]:
        form = {"grant_type": "client_credentials"} | ({"scope": self.scope} if self.scope else {})
        try:
            answer = httpx.post(self.url, data=form, auth=(self.client_id, self.client_secret), timeout=seconds)
            answer.raise_for_status()
            body = answer.json()
            token, lifetime = body["access_token"], float(body.get("expires_in", _LIFETIME_DEFAULT))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TokenRefusedError(f"the token endpoint did not answer with a token: {error}") from None
        except (ValueError, TypeError, KeyError):
            raise TokenRefusedError("the token endpoint answered something else than a token") from None
        if not isinstance(token, str) or not token:
            raise TokenRefusedError("the token endpoint answered an empty token")
        return token, time.time() + lifetime
