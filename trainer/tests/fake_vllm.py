"""A stand-in for vLLM that speaks the routes the trainer uses. Its numbers mean nothing; its protocol does.

Run as `python fake_vllm.py PORT`. It refuses an adapter folder without weights, and a second load of one name.
"""

import json
import math
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

loaded: dict[str, str] = {}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass

    def answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def known(self) -> bool:
        """As vLLM behind our door: every request brings the token, where there is one."""
        token = os.environ.get("VLLM_API_KEY")
        if token is None or self.headers["authorization"] == f"Bearer {token}":
            return True
        self.answer(401, {"error": "Unauthorized"})
        return False

    def do_GET(self) -> None:
        if not self.known():
            return
        names = ["base", *loaded]
        self.answer(200, {"data": [{"id": name} for name in names]} if self.path == "/v1/models" else {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not self.known():
            return None
        if self.path == "/v1/load_lora_adapter":
            name, path = body["lora_name"], Path(body["lora_path"])
            if name in loaded:
                return self.answer(400, {"error": f"{name} already loaded"})
            if not (path / "adapter_model.safetensors").is_file():
                return self.answer(404, {"error": f"no adapter at {path}"})
            loaded[name] = str(path)
            return self.answer(200, "ok")
        if self.path == "/v1/unload_lora_adapter":
            return self.answer(200 if loaded.pop(body["lora_name"], None) else 404, "ok")
        if self.path == "/tokenize":
            return self.answer(200, {"tokens": [100 + len(word) for word in body["prompt"].split()]})
        if self.path == "/v1/completions" and body["model"] in {"base", *loaded}:
            return self.answer(200, {"choices": [completion(body)]})
        return self.answer(200 if self.path == "/v1/chat/completions" else 404, {"choices": []})


def completion(body: dict[str, Any]) -> dict[str, Any]:
    if "allowed_token_ids" in body:
        good, bad = body["allowed_token_ids"]
        even = {f"token_id:{good}": -math.log(2), f"token_id:{bad}": -math.log(2)}
        return {"token_ids": [good], "logprobs": {"token_logprobs": [-math.log(2)], "top_logprobs": [even]}}
    shift = 0.0 if body["model"] == "base" else 1.0
    ids = [(7 * i) % 50 for i in range(body["max_tokens"])]
    prompt: list[Any] = [None]
    prompt += [{str(token): {"logprob": -math.log(40 + shift)}} for token in body["prompt"][1:]]
    return {"token_ids": ids, "logprobs": {"token_logprobs": [-3.0 - shift] * len(ids)}, "prompt_logprobs": prompt}


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
