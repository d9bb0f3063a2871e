"""The flags and the environment vLLM is started with."""

from pathlib import Path

import httpx

from conftest import config_for, service, wait_for
from gyre_trainer.engine import command


def test_vllm_is_started_with_honest_sampling_and_the_users_flags_win(tmp_path: Path, tiny_model: Path) -> None:
    config = config_for(tmp_path, tiny_model)
    flags = command.flags(config, 1234, "float32", gpu=False)
    assert (
        flags["logprobs-mode"] == "processed_logprobs"
        and flags["generation-config"] == "vllm"
        and flags["host"] == "127.0.0.1"
    )
    assert flags["block-size"] == 32 and flags["enforce-eager"] is True
    object.__setattr__(config, "engine_args", {"max-num-seqs": 8, "enable-prefix-caching": None})
    argv = command.argv(config, 1234, "float32", gpu=False)
    assert argv[argv.index("--max-num-seqs") + 1] == "8" and "--enable-prefix-caching" not in argv
    assert "--enforce-eager" not in command.argv(config, 1234, "bfloat16", gpu=True)


def test_the_engine_environment_loads_our_plugin_and_lets_idle_threads_sleep() -> None:
    env = command.environment({"PATH": "/bin"}, gpu=False)
    assert env["VLLM_PLUGINS"] == "gyre_grouped_lora" and env["KMP_BLOCKTIME"] == "0" and env["PATH"] == "/bin"
    assert "LD_PRELOAD" not in command.environment({}, gpu=True)


def test_no_page_and_nobody_without_the_token_may_ask_vllm(tmp_path: Path, tiny_model: Path) -> None:
    config = config_for(tmp_path, tiny_model)
    argv = command.argv(config, 1234, "float32", gpu=False)
    assert argv[argv.index("--allowed-origins") + 1] == "[]"
    assert argv[argv.index("--middleware") + 1] == "gyre_trainer.machine.door.RequireToken"
    env = command.environment({"PATH": "/bin", "OPENAI_API_KEY": "s", "VLLM_API_KEY": "another's"}, gpu=False)
    assert "OPENAI_API_KEY" not in env and "VLLM_API_KEY" not in env


def test_vllm_gets_its_token_by_environment_and_the_trainer_asks_with_it(tmp_path: Path, tiny_model: Path) -> None:
    """The stand-in refuses whatever comes without the token, as vLLM behind our door does."""
    engine, _ = service(tmp_path, tiny_model)
    engine.supervisor.start()
    try:
        wait_for(lambda: engine.ready)
        url, token = engine.health()["url"], engine.health()["api_key"]
        assert len(token) >= 40
        assert httpx.get(f"{url}/v1/models").status_code == 401
        assert httpx.get(f"{url}/v1/models", headers={"authorization": f"Bearer {token}"}).status_code == 200
        line = Path(f"/proc/{engine.supervisor.pid}/cmdline").read_text()
        assert token not in line
    finally:
        engine.supervisor.stop()
