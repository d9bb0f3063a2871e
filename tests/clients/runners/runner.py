"""What every runner is given, and how it keeps the conversation between two of its processes."""

import base64
import json
import sys
from dataclasses import dataclass
from pathlib import Path

PICTURE = "PICTURE "


@dataclass
class Asked:
    api: str
    url: str
    model: str
    streamed: bool
    file: Path
    words: str
    pieces: int = 0

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def picture(self) -> str | None:
        """The picture that the words name, as a URL of data."""
        if not self.words.startswith(PICTURE):
            return None
        data = Path(self.words.removeprefix(PICTURE)).read_bytes()
        return f"data:image/png;base64,{base64.b64encode(data).decode()}"

    def tell(self, piece: str | None) -> None:
        """A piece of a streamed answer; the library's empty ones say nothing."""
        if piece:
            self.pieces += 1
            print(piece, end="", flush=True)

    def told(self) -> None:
        """The streamed answer is over: how many pieces it came in is the test's to judge."""
        print(f"\n[{self.pieces} pieces]")

    def history(self) -> list[dict[str, object]]:
        """What was said before, as the library writes its messages."""
        return json.loads(self.file.read_text()) if self.file.exists() else []

    def keep(self, messages: list[dict[str, object]]) -> None:
        self.file.write_text(json.dumps(messages))


def asked() -> Asked:
    api, url, model, how, file, words = sys.argv[1:]
    return Asked(api, url, model, how == "streamed", Path(file), words)


def weather(city: str, days: float) -> str:
    """The weather of a city in some days.

    Args:
        city: Where.
        days: From now.
    """
    return f"sunny in {city}"
