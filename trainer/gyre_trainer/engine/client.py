"""The few vLLM routes the trainer uses, over HTTP. Engine faults become EngineError with what vLLM said."""

import math
import time
from dataclasses import dataclass
from typing import Any

import httpx

from gyre_trainer.contract.errors import EngineError
from gyre_trainer.engine.command import BASE_NAME


@dataclass(frozen=True)
class Generated:
    """Sampled tokens, and the natural log of each one's probability after temperature."""

    token_ids: list[int]
    logprobs: list[float]  # of the sampled tokens


class EngineClient:
    """Blocking client for one vLLM at `url`; each call is one request."""

    def __init__(self, url: str, timeout_s: float = 120.0, token: str = "") -> None:
        self.url = url
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, timeout=timeout_s, trust_env=False, headers=headers)

    def close(self) -> None:
        self._http.close()

    def healthy(self) -> bool:
        """Whether vLLM answers within 5 s; never raises."""
        try:
            return self._http.get("/health", timeout=5.0).status_code == 200
        except httpx.HTTPError:
            return False

    def loaded(self) -> set[str]:
        """Names of the adapters vLLM knows."""
        models: list[dict[str, Any]] = self._request("GET", "/v1/models").json()["data"]
        return {model["id"] for model in models} - {BASE_NAME}

    def load(self, name: str, path: str) -> float:
        """Register an adapter under a new name; returns the seconds it took. A name already there is left as it is."""
        started = time.monotonic()
        if name not in self.loaded():
            self._request("POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": path})
        return time.monotonic() - started

    def unload(self, name: str) -> None:
        """Forget an adapter; one that is not there is left so."""
        if name in self.loaded():
            self._request("POST", "/v1/unload_lora_adapter", {"lora_name": name})

    def generate(
        self,
        model: str,
        prompt: list[int],
        tokens: int,
        temperature: float = 0.0,
        seed: int | None = None,
        ignore_eos: bool = True,
    ) -> Generated:
        """`tokens` new tokens with their log-probabilities; fewer when `ignore_eos` is false and the turn ends before.

        No `min_tokens`: it masks the end of turn, and what is left is renormalised.
        """
        body: dict[str, Any] = {"model": model, "prompt": prompt, "max_tokens": tokens, "logprobs": 0}
        body |= {"temperature": temperature, "return_token_ids": True, "ignore_eos": ignore_eos, "seed": seed}
        choice = self._request("POST", "/v1/completions", body).json()["choices"][0]
        return Generated(choice["token_ids"], choice["logprobs"]["token_logprobs"])

    def preference(self, model: str, prompt: list[int], good: int, bad: int) -> float:
        """The logit of token `good` minus that of `bad` behind the prompt: nothing else is allowed there."""
        body: dict[str, Any] = {"model": model, "prompt": prompt, "max_tokens": 1, "temperature": 1.0, "logprobs": 2}
        body |= {"allowed_token_ids": [good, bad], "return_tokens_as_token_ids": True}
        choice = self._request("POST", "/v1/completions", body).json()["choices"][0]
        [likely] = choice["logprobs"]["top_logprobs"]
        try:
            difference = float(likely[f"token_id:{good}"]) - float(likely[f"token_id:{bad}"])
        except KeyError as error:
            raise EngineError("engine_nonsense", f"vLLM answered without token {error} for {model}") from None
        if not math.isfinite(difference):
            raise EngineError("engine_nonsense", f"vLLM answered non-finite log-probabilities for {model}")
        return difference

    def score(self, model: str, prompt: list[int]) -> list[float]:
        """log p(prompt[i] | prompt[:i]) for i = 1.. at temperature 1."""
        body = {"model": model, "prompt": prompt, "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0}
        choice = self._request("POST", "/v1/completions", body).json()["choices"][0]
        scores = [
            float(entry[str(token)]["logprob"])
            for token, entry in zip(prompt[1:], choice["prompt_logprobs"][1:], strict=True)
        ]
        if not all(math.isfinite(score) for score in scores):
            raise EngineError("engine_nonsense", f"vLLM answered non-finite prompt log-probabilities for {model}")
        return scores

    def tokenize(self, text: str) -> list[int]:
        """Token ids of `text`, special tokens written in it included, none added."""
        answer = self._request(
            "POST", "/tokenize", {"model": BASE_NAME, "prompt": text, "add_special_tokens": False}
        ).json()
        return list(answer["tokens"])

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The decoded answer of one route. EngineError `engine_unreachable` (503) or `engine_refused` (502)."""
        return self._request("POST", path, body).json()

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        try:
            response = self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise EngineError(
                "engine_unreachable", f"{method} {self.url}{path}: {error!r}; see logs/vllm.log", 503
            ) from error
        if response.status_code != 200:
            raise EngineError("engine_refused", f"{method} {path} -> {response.status_code}: {response.text[:300]}")
        return response
