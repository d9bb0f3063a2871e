"""Holds what a gateway said against the models of openai-python, in pydantic's strict mode: one line of JSON in, and
one out with the route that it is of (null: none of OpenAI's) and what is wrong.

Its argument is the folder where the library lies.
"""

import importlib.util
import json
import re
import sys
from collections.abc import Mapping
from typing import Any

sys.path.insert(0, sys.argv[1])

from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_item_list import ResponseItemList
from openai.types.shared import ErrorObject
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError


class Models(BaseModel):
    model_config = ConfigDict(extra="allow")
    object: str
    data: list[Model]


class Fault(BaseModel):
    error: ErrorObject


def newer(module: str, name: str) -> Any:
    """A model that an older library has not."""
    found = f"openai.types.responses.{module}"
    if importlib.util.find_spec(found) is None:
        return None
    return getattr(importlib.import_module(found), name)


SERVER_EVENT = newer("responses_server_event", "ResponsesServerEvent")
# By method and path: what an answer is, and what its events are.
ROUTES: Mapping[tuple[str, str], tuple[Any, Any]] = {
    ("POST", "/chat/completions"): (ChatCompletion, ChatCompletionChunk),
    ("POST", "/completions"): (Completion, Completion),
    ("POST", "/embeddings"): (CreateEmbeddingResponse, None),
    ("GET", "/models"): (Models, None),
    ("GET", "/models/{model}"): (Model, None),
    ("POST", "/responses"): (Response, ResponseStreamEvent),
    ("WEBSOCKET", "/responses"): (None, SERVER_EVENT),
    ("POST", "/responses/input_tokens"): (newer("input_token_count_response", "InputTokenCountResponse"), None),
    ("POST", "/responses/compact"): (newer("compacted_response", "CompactedResponse"), None),
    ("GET", "/responses/{response_id}"): (Response, ResponseStreamEvent),
    # The library reads nothing of it.
    ("DELETE", "/responses/{response_id}"): (None, None),
    ("GET", "/responses/{response_id}/input_items"): (ResponseItemList, None),
}
PATTERNS = {route: re.compile(re.sub(r"\{[^}]+\}", "[^/]+", route)) for _, route in ROUTES}
ADAPTERS: dict[int, TypeAdapter[Any]] = {}


def adapter(model: Any) -> TypeAdapter[Any]:
    if id(model) not in ADAPTERS:
        ADAPTERS[id(model)] = TypeAdapter(model)
    return ADAPTERS[id(model)]


def route_of(method: str, path: str) -> str | None:
    if (method, path) in ROUTES:
        return path
    return next(
        (route for route, pattern in PATTERNS.items() if (method, route) in ROUTES and pattern.fullmatch(path)), None
    )


def faults_of(said: Mapping[str, Any], route: str) -> str:
    answer, event = ROUTES[(said["method"], route)]
    model = Fault if said["kind"] == "error" else event if said["kind"] == "event" else answer
    if model is None:
        return ""
    try:
        adapter(model).validate_json(json.dumps(said["value"]), strict=True)
    except ValidationError as fault:
        return told(fault)
    return ""


def told(fault: ValidationError) -> str:
    """What is wrong, without the members of a union that the value's own type is not."""
    errors = fault.errors(include_url=False, include_input=False)
    other = {error["loc"][:-1] for error in errors if error["type"] == "literal_error" and error["loc"][-1] == "type"}
    meant = [error for error in errors if not any(error["loc"][: len(place)] == place for place in other)]
    lines = [f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}" for error in meant or errors]
    return ", ".join(dict.fromkeys(lines[:6]))


for line in sys.stdin:
    said = json.loads(line)
    route = route_of(said["method"], said["path"])
    judged = {"route": route, "faults": "" if route is None else faults_of(said, route)}
    sys.stdout.write(f"{json.dumps(judged)}\n")
