"""Who may ask: the one token of a service on loopback, where every user and every web page of the machine can knock.

An ASGI wrapper without imports from a framework: the trainer puts it around its own app, and vLLM (`--middleware`)
around its, because vLLM's own check leaves every route outside `/v1` open.
"""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from gyre_trainer.machine import durable

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TOKEN_VARIABLE = "GYRE_TRAINER_TOKEN"


def own_token(file: Path) -> str:
    """What requests to the trainer bring: GYRE_TRAINER_TOKEN, which the gateway sets, and no child of ours inherits.

    Without it one is made and left in `file`, where a gateway of the same data folder looks. Never a flag: everyone can
    read those.
    """
    given = os.environ.pop(TOKEN_VARIABLE, "").strip()
    if given:
        return given
    made = secrets.token_urlsafe(32)
    durable.write_text(file, made)
    return made


class RequireToken:
    """Answers 401 to everything that does not bring `Authorization: Bearer TOKEN`, whatever route it asks for.

    Without `token` it is the environment's VLLM_API_KEY. There is no service without one: KeyError.
    """

    def __init__(self, app: App, token: str | None = None) -> None:
        self._app = app
        secret = os.environ["VLLM_API_KEY"] if token is None else token
        if not secret:
            raise ValueError("the token is empty; nobody could be told from anybody")
        self._hash = hashlib.sha256(secret.encode()).digest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or self._known(scope):
            return await self._app(scope, receive, send)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        message = "this service answers to the gateway that started it; send Authorization: Bearer TOKEN"
        body = json.dumps({"error": {"code": "bad_token", "message": message, "side": "client"}}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _known(self, scope: Scope) -> bool:
        """Hashes are compared, in constant time, so that the time says neither a prefix nor a length."""
        sent = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, secret = (sent[0] if len(sent) == 1 else b"").partition(b" ")
        return hmac.compare_digest(hashlib.sha256(secret).digest(), self._hash) and scheme.lower() == b"bearer"
