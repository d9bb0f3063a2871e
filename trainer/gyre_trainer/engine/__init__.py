"""vLLM as a child process: how it is started, kept running, spoken to, and made quick with adapters on a CPU."""
