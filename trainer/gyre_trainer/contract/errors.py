"""The one error family. Each error names its side of the boundary, so the gateway never has to guess who failed."""

from typing import Literal

Side = Literal["trainer", "engine", "client"]


class TrainerError(Exception):
    """A failure with a code from CONTRACT.md, an HTTP status and a message that says what to do next."""

    side: Side = "trainer"
    status = 500

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        if status is not None:
            self.status = status

    def body(self) -> dict[str, dict[str, str]]:
        """The JSON of CONTRACT.md."""
        return {"error": {"code": self.code, "message": self.message, "side": self.side}}


class ClientError(TrainerError):
    """The request cannot be honoured as sent."""

    side: Side = "client"
    status = 422


class EngineError(TrainerError):
    """vLLM is down, refused something, or answered with something unexpected."""

    side: Side = "engine"
    status = 502


def known(error: Exception, code: str) -> TrainerError:
    """The error itself if it is of the family, else one with `code` that quotes it."""
    return error if isinstance(error, TrainerError) else TrainerError(code, f"{type(error).__name__}: {error}")
