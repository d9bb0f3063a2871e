"""The HTTP surface of CONTRACT.md: validate, call one function, shape the answer. It owns no state."""

import asyncio
import hashlib
import os
import time
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from gyre_trainer.config import Config
from gyre_trainer.contract import labels
from gyre_trainer.contract.errors import ClientError, TrainerError
from gyre_trainer.engine.engine import Engine
from gyre_trainer.machine import durable
from gyre_trainer.machine.door import RequireToken
from gyre_trainer.service.learner import Learner
from gyre_trainer.weights import adapter, versions


def sha256(path: Path) -> str:
    """`sha256:` and the hex digest of the file's bytes."""
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def describe_model(config: Config, engine: Engine) -> dict[str, Any]:
    """The `model` part of `/health`: folder, number format, hashes of template and tokenizer, limits in tokens."""
    template = config.template or config.model / "chat_template.jinja"
    eos = engine.model_config["eos_token_id"]
    return {
        "path": str(config.model),
        "dtype": engine.dtype,
        "device": "cuda" if engine.gpu else "cpu",
        "template_hash": sha256(template),
        "tokenizer_hash": sha256(config.model / "tokenizer.json"),
        "eos_token_ids": eos if isinstance(eos, list) else [eos],
        "max_model_len": config.max_model_len,
        "max_token_id": engine.model_config["vocab_size"] - 1,
    }


async def object_of(request: Request) -> dict[str, Any]:
    """The request's JSON object; ClientError `bad_json` (400) for anything else."""
    try:
        body = await request.json()
    except ValueError as error:
        raise ClientError("bad_json", f"the body is not JSON: {error}", 400) from None
    if not isinstance(body, dict):
        raise ClientError("bad_json", f"the body is a {type(body).__name__}; send a JSON object", 400)
    return body


def version_in(body: dict[str, Any], key: str, least: int = 0) -> int:
    """`body[key]`, an integer of at least `least`; ClientError `bad_version` for anything else."""
    value = body.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ClientError("bad_version", f"{key} is {value!r}; send an integer >= {least}")
    return value


def create_app(config: Config, engine: Engine, learner: Learner) -> FastAPI:
    """The routes. Whatever blocks runs in a thread or in the learner's queue, so `/health` always answers."""
    app = FastAPI(title="gyre trainer", docs_url=None, redoc_url=None)
    started = time.monotonic()
    model = describe_model(config, engine)
    copying = asyncio.Lock()
    if config.token:
        app.add_middleware(RequireToken, token=config.token)

    @app.exception_handler(TrainerError)
    async def refused(_: Request, error: TrainerError) -> JSONResponse:
        return JSONResponse(error.body(), error.status)

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse(
            TrainerError("internal", f"{type(error).__name__}: {error}; see the trainer's log").body(), 500
        )

    @app.get("/health")
    async def health() -> dict[str, Any]:
        busy = learner.busy
        doing = (
            None
            if busy is None
            else {"batch_id": busy.batch_id, "phase": busy.state, "progress": round(busy.progress, 3)}
        )
        return {
            "status": "ok",
            "pid": os.getpid(),
            "uptime_s": round(time.monotonic() - started, 1),
            "phase": learner.phase,
            "detail": learner.detail,
            "engine": engine.health(),
            "model": model,
            "train_dtype": learner.train_dtype,
            "head": learner.head.version,
            "loaded": engine.loaded(),
            "self_check": learner.self_check,
            "busy": doing,
            "judges": {"loaded": engine.loaded_judges(), "training": learner.judges.training()},
        }

    @app.post("/v1/batches")
    async def submit(request: Request) -> JSONResponse:
        body = await object_of(request)
        sent = body.get("model", {}).get("template_hash") if isinstance(body.get("model"), dict) else None
        if sent and sent != model["template_hash"]:
            raise ClientError(
                "template_mismatch", f"the batch was sampled with template {sent}, vLLM uses {model['template_hash']}"
            )
        record, new = await asyncio.to_thread(learner.submit, request.headers.get("idempotency-key"), body)
        return JSONResponse(
            {"batch_id": record.batch_id, "state": "queued"} if new else record.answer(), 202 if new else 200
        )

    @app.get("/v1/batches/{batch_id}")
    async def batch_state(batch_id: str) -> dict[str, Any]:
        record = learner.records.get(batch_id)
        if record is None:
            raise ClientError(
                "no_such_batch", f"batch {batch_id!r} was never received; send it with POST /v1/batches", 404
            )
        return record.answer()

    @app.post("/v1/versions")
    async def copy_version(request: Request) -> dict[str, Any]:
        body = await object_of(request)
        version, copy_of = version_in(body, "version", 1), version_in(body, "copy_of")
        async with copying:  # two equal requests at once would fill the same temporary directory
            path = await asyncio.to_thread(
                versions.copy, config.adapters, version, copy_of, config.model, engine.model_config
            )
        seconds = await asyncio.to_thread(engine.load, version)
        if body.get("make_head") is True:
            await asyncio.wrap_future(learner.call(lambda: learner.make_head(version, copy_of)))
        return {
            "version": version,
            "name": path.name,
            "path": str(path),
            "copy_of": copy_of,
            "load_seconds": seconds,
            "head": learner.head.version,
        }

    @app.post("/v1/head")
    async def reset_head(request: Request) -> dict[str, Any]:
        version = version_in(await object_of(request), "version")
        await asyncio.wrap_future(learner.call(lambda: learner.make_head(version, version)))
        return {"head": learner.head.version}

    @app.post("/v1/adapters/{version}/load")
    async def load(version: int) -> dict[str, Any]:
        seconds = await asyncio.to_thread(engine.load, version)
        return {"name": adapter.name_of(version), "loaded": True, "seconds": seconds}

    @app.post("/v1/adapters/{version}/unload")
    async def unload(version: int) -> dict[str, Any]:
        await asyncio.to_thread(engine.unload, version)
        return {"name": adapter.name_of(version), "loaded": False}

    @app.delete("/v1/adapters/{version}")
    async def remove(version: int) -> dict[str, Any]:
        if version == learner.head.version:
            raise ClientError("version_in_use", f"version {version} is the head; reset the head first", 409)
        await asyncio.to_thread(engine.unload, version)
        path = config.adapters / adapter.name_of(version)
        async with copying:
            there = await asyncio.to_thread(durable.unpublish_directory, path)
        return {"name": path.name, "removed": there}

    @app.post("/v1/judges")
    async def train_judge(request: Request) -> JSONResponse:
        answer, new = await asyncio.to_thread(learner.judges.submit, await object_of(request))
        return JSONResponse(answer, 202 if new else 200)

    @app.get("/v1/judges/{judge}/{version}")
    async def judge_state(judge: str, version: int) -> dict[str, Any]:
        return await asyncio.to_thread(learner.judges.state, judge_named(judge, version))

    @app.post("/v1/judges/{judge}/{version}/load")
    async def load_judge(judge: str, version: int) -> dict[str, Any]:
        name = judge_named(judge, version)
        return {"name": name, "loaded": True, "seconds": await asyncio.to_thread(learner.judges.load, name)}

    @app.post("/v1/judges/{judge}/{version}/unload")
    async def unload_judge(judge: str, version: int) -> dict[str, Any]:
        name = judge_named(judge, version)
        await asyncio.to_thread(learner.judges.unload, name)
        return {"name": name, "loaded": False}

    @app.delete("/v1/judges/{judge}/{version}")
    async def remove_judge(judge: str, version: int) -> dict[str, Any]:
        name = judge_named(judge, version)
        return {"name": name, "removed": await asyncio.to_thread(learner.judges.remove, name)}

    @app.post("/v1/logprobs")
    async def logprobs(request: Request) -> dict[str, Any]:
        body = await object_of(request)
        version, sequences = version_in(body, "version"), sequences_in(body, model["max_token_id"])

        def job() -> Any:
            from gyre_trainer.learn.score import score

            return learner.with_version(version, lambda: score(learner.policy, sequences))

        return {"logprobs": await asyncio.wrap_future(learner.call(job))}

    @app.post("/v1/parity")
    async def parity(request: Request) -> dict[str, Any]:
        version = version_in(await object_of(request), "version")
        if version:
            await asyncio.to_thread(engine.load, version)
        job = learner.call(lambda: learner.with_version(version, lambda: learner.measure(version)))
        measured = await asyncio.wrap_future(job)
        compared: dict[str, Any] = measured["parity"]
        return compared | {"differs_from_base": measured["differs_from_base"]}

    return app


def judge_named(judge: str, version: int) -> str:
    """The name of a version of a judge, which becomes a directory's; ClientError `no_such_judge` (404)."""
    if not labels.NAME.fullmatch(judge) or version < 1:
        raise ClientError("no_such_judge", f"there is no judge {judge!r} of version {version}", 404)
    return labels.name_of(judge, version)


def sequences_in(body: dict[str, Any], max_token_id: int) -> list[tuple[list[int], list[int], float]]:
    """The sequences of POST /v1/logprobs, checked."""
    raw = body.get("sequences")
    if not isinstance(raw, list) or not raw:
        raise ClientError("bad_sequences", f"sequences is {raw!r}; send a list of {{prompt, completion, temperature}}")
    found = []
    for i, entry in enumerate(raw):
        parts: list[list[int]] = []
        for key in ("prompt", "completion"):
            ids = entry.get(key) if isinstance(entry, dict) else None
            if not isinstance(ids, list) or not ids or not all(type(t) is int and 0 <= t <= max_token_id for t in ids):
                raise ClientError(
                    "bad_sequences", f"sequences[{i}].{key} must be a non-empty list of token ids 0..{max_token_id}"
                )
            parts.append(ids)
        temperature = entry.get("temperature", 1.0)
        if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not temperature > 0:
            raise ClientError("bad_sequences", f"sequences[{i}].temperature is {temperature!r}; send a number > 0")
        found.append((parts[0], parts[1], float(temperature)))
    return found
