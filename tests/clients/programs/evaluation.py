"""Harnesses that evaluate a model, on a task of ours."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from program import Place, PythonProgram, Turn

TASK = """
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {home}/questions.jsonl
test_split: test
output_type: {kind}
doc_to_text: "{{{{question}}}}"
doc_to_target: {target}
process_results: !function tell.{name}
metric_list:
  - metric: said
    aggregation: mean
    higher_is_better: true
"""
TELL = """
def answers(doc, results):
    print("said:", results[0], flush=True)
    return {"said": 1}


def scores(doc, results):
    print("scores:", [score for score, _ in results], flush=True)
    return {"said": 1}
"""
WORDS = ("[UNK]", "How", "many", "?", "one", "two", "three")


class LmEval(PythonProgram):
    name = "lm-eval"
    package = "lm-eval"
    apis = ("chat", "completions")
    # A raw prompt is offered no tools.
    lacks: ClassVar = {
        "streamed": "none",
        "server_tool, completions": "none",
        "own_tool": "none",
        "mixed": "none",
        "image_in_history": "none",
    }
    more = ("scores, completions",)

    def prepare(self, place: Place) -> None:
        for name, kind, target in (("answers", "generate_until", '"any"'), ("scores", "multiple_choice", "0")):
            task = TASK.format(name=name, home=place.home, kind=kind, target=target)
            choices = 'doc_to_choice: ["one", "two three"]\n' if kind == "multiple_choice" else ""
            place.write(f"tasks/{name}.yaml", task + choices)
        place.write("tasks/tell.py", TELL)
        # It counts what is before a choice by a tokenizer: words, in a file as every model's is.
        vocabulary = {word: number for number, word in enumerate(WORDS)}
        model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"}
        whole = {"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "model": model}
        place.write("words/tokenizer.json", json.dumps(whole))
        place.write("words/tokenizer_config.json", '{"tokenizer_class": "PreTrainedTokenizerFast"}')

    def environment(self, place: Place) -> dict[str, str]:
        return {"OPENAI_API_KEY": "any", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "COLUMNS": "1000"}

    def command(self, place: Place, turn: Turn) -> Sequence[str | Path]:
        place.write("questions.jsonl", json.dumps({"question": turn.words}))
        chat = place.api == "chat"
        scores = turn.words == "How many?"
        arguments = {
            "model": turn.model,
            "base_url": f"{place.base_url}/{'chat/completions' if chat else 'completions'}",
            "max_retries": "1",
            **({"tokenizer": str(place.home / "words")} if scores else {"tokenizer_backend": "None"}),
        }
        return [
            self.bin / "lm-eval",
            "run",
            "--model",
            "local-chat-completions" if chat else "local-completions",
            "--model_args",
            ",".join(f"{name}={value}" for name, value in arguments.items()),
            "--include_path",
            place.home / "tasks",
            "--tasks",
            "scores" if scores else "answers",
            *(["--apply_chat_template"] if chat else []),
        ]
