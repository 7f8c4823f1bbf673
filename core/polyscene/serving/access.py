"""Who may do what: keys with scopes, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from polyscene.serving.keys import KeyFile, Scope
from polyscene.serving.limits import RateLimit
from polyscene.serving.problems import Refusal

_BEARER = HTTPBearer(auto_error=False, scheme_name="key", description="An API key, made by `polyscene keys new`.")
ANYBODY = "anybody on this machine"


@dataclass(frozen=True)
class Caller:
    """Who asks: the name of a key."""

    name: str


class Access:
    """Admits callers.

    Args:
        keys: the keys; None admits everybody to everything, on this machine only.
        limit: how often one caller may ask.
    """

    def __init__(self, keys: KeyFile | None, limit: RateLimit) -> None:
        self.keys, self.limit = keys, limit

    def admit(self, secret: str | None, scope: Scope | None) -> Caller:
        """The caller with a key, who may do what needs ``scope``; any key will do for None.

        Raises:
            Refusal: no key, a wrong one, one without the scope (401, 403), or too many requests (429).
        """
        caller = Caller(ANYBODY) if self.keys is None else self._of_key(self.keys, secret, scope)
        seconds = self.limit.wait(caller.name)
        if seconds:
            raise Refusal(429, "rate", "too many requests with this key", fix=f"wait {seconds} s", retry=seconds)
        return caller

    @staticmethod
    def _of_key(keys: KeyFile, secret: str | None, scope: Scope | None) -> Caller:
        if not secret:
            raise Refusal(
                401,
                "no_key",
                "a key is needed",
                where="Authorization",
                fix="send the header Authorization: Bearer KEY",
            )
        key = keys.find(secret)
        if key is None:
            raise Refusal(
                401, "wrong_key", "there is no such key", where="Authorization", fix="ask for another one"
            )
        if scope is not None and scope not in key.scopes:
            raise Refusal(
                403,
                "scope",
                f"the key may not do this: it lacks the scope '{scope}'",
                where="Authorization",
                fix=f"use a key with the scope '{scope}'",
            )
        return Caller(key.name)


def needs(scope: Scope | None) -> Any:
    """A dependency that admits callers with a scope, and gives the caller."""

    async def admitted(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)] = None
    ) -> Caller:
        access: Access = request.app.state.access
        return access.admit(credentials.credentials if credentials else None, scope)

    return Depends(admitted)
