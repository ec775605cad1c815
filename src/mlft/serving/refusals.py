"""What a request is refused with: a status, and UM-Bridge's form of an error."""

from typing import Any, final

from pydantic import ValidationError

from mlft.errors import plain


@final
class Refused(Exception):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
        kind: "InvalidInput", "ModelNotFound" and "UnsupportedFeature" as UM-Bridge names them; "NotFound",
            "MethodNotAllowed", "Unauthorized", "ForeignHost", "TooLarge", "Busy", "Timeout" and "InternalError" are of
            this server.
    """

    def __init__(self, message: str, *, kind: str = "InvalidInput", status: int = 400) -> None:
        super().__init__(message)
        self.kind, self.status = kind, status

    @property
    def content(self) -> dict[str, Any]:
        """The body of the answer, {"error": {"type", "message"}}."""
        return {"error": {"type": self.kind, "message": plain(str(self), 1000)}}


def unfit(error: ValidationError) -> Refused:
    """Return the refusal of a body that does not have the form that is wanted: where, and what is wrong there."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))
    told = first["msg"][:1].lower() + first["msg"][1:]
    return Refused(f"{where}: {told}" if where else told)
