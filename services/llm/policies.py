"""Settings of what is done about an upstream that is late or fails."""

from pydantic import BaseModel, ConfigDict, Field


class HedgeSettings(BaseModel):
    """When the next upstream is asked alongside one that is late."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quantile: float = Field(
        default=0.95,
        gt=0,
        lt=1,
        description="share of an upstream's first tokens that came sooner than what counts as late",
    )
    samples: int = Field(
        default=20, ge=1, description="first tokens seen before that is known"
    )
    window: int = Field(
        default=200, ge=1, description="latest first tokens that it is taken from"
    )
    floor: float = Field(
        default=0.1, ge=0, description="seconds before which nothing is late"
    )
    ceiling: float = Field(
        default=2.0,
        gt=0,
        description="seconds after which everything is late; also while an upstream is only tried again",
    )
    share: float = Field(
        default=0.1, ge=0, le=1, description="of all requests that may be hedged"
    )
    burst: int = Field(
        default=5, ge=1, description="hedges that may be saved up for a bad minute"
    )


class CircuitSettings(BaseModel):
    """When an upstream is left alone, and for how long."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    failures: int = Field(
        default=3, ge=1, description="failures in a row after which an upstream rests"
    )
    window: int = Field(
        default=20, ge=2, description="latest tries that the share is taken from"
    )
    share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="of the window's tries failed after which an upstream rests",
    )
    rest: float = Field(
        default=1.0,
        gt=0,
        description="seconds of the first rest; each that follows a failed probe is twice as long",
    )
    longest_rest: float = Field(
        default=30.0, gt=0, description="seconds that no such rest exceeds"
    )
    mend_rest: float = Field(
        default=300.0,
        gt=0,
        description="seconds of rest where somebody has to mend the settings first: key refused, no such model",
    )
    fair_wait: float = Field(
        default=1.0,
        ge=0,
        description="seconds that a silent upstream must have had for its silence to count as a failure",
    )
