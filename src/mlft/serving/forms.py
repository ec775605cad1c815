"""What the bodies of requests must look like: the types that check them are those that the description shows."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, create_model

from mlft.serving.refusals import Refused, unfit

Finite = Annotated[float, Field(allow_inf_nan=False)]
Vector = Annotated[list[Finite], FailFast()]
Vectors = Annotated[list[Vector], FailFast()]
Index = Annotated[int, Field(ge=0)]

Body = TypeVar("Body", bound=BaseModel)


class Form(BaseModel):
    """A body: right types, no unknown names."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Choices(Form):
    """UM-Bridge's `config`."""

    level: Annotated[Finite | None, Field(description="of the bands, for the model half-width")] = None


class Named(Form):
    """Names a model."""

    name: str = Field(description="of the model, as /Info lists it")
    config: Annotated[Choices, Field(description="options of the model")] = Choices()


class Evaluate(Named):
    """Asks for the outputs of a model."""

    input: Vectors = Field(description="a vector of points a channel, the last axis of the grid fastest")


class Gradient(Evaluate):
    """Asks for Jᵀ·sens."""

    outWrt: Index = Field(description="the output that is differentiated")
    inWrt: Index = Field(description="the input that it is differentiated in")
    sens: Vector = Field(description="a number a point of the output")


class ApplyJacobian(Evaluate):
    """Asks for J·vec."""

    outWrt: Index = Field(description="the output that is differentiated")
    inWrt: Index = Field(description="the input that it is differentiated in")
    vec: Vector = Field(description="a number a point of the input")


class ApplyHessian(Evaluate):
    """Asks for the Hessian of sens·output, applied to vec."""

    outWrt: Index = Field(description="the output that is differentiated")
    inWrt1: Index = Field(description="the input that it is differentiated in, of whose size the answer is")
    inWrt2: Index = Field(description="the input that vec is of")
    sens: Vector = Field(description="a number a point of the output")
    vec: Vector = Field(description="a number a point of the input inWrt2")


def predict_form(dimension: int) -> type[Form]:
    """Return the form of a body for /predict, whose arrays have an axis a sample, a channel, and a direction."""
    kind: Any = Vector
    for _ in range(dimension + 1):
        kind = Annotated[list[kind], FailFast()]
    sizes = "of the bands; then half_width, band and error come back too"
    return create_model(
        "Predict",
        __base__=Form,
        __doc__="Asks for solutions, with how sure they are and how familiar the inputs.",
        inputs=(kind, Field(description="(samples, channels, *grid), in the solver's own units")),
        uncertainty=(Finite | None, Field(None, description=f"a level {sizes}")),
        familiarity=(bool, Field(False, description="whether to say how familiar each input is")),
    )


def filled(form: type[Body], body: Any) -> Body:
    """Return a body as its form.

    Raises:
        Refused: for a missing or unknown name, or a value of another type: the first, and where it is.
    """
    if not isinstance(body, dict):
        raise Refused(f"the body is an object of JSON with names and values, got {_kind(body)}")
    try:
        return form.model_validate(body)
    except ValidationError as error:
        raise unfit(error) from None


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a truth value", int: "a number", float: "a number"}
    return names.get(type(value), "null")
