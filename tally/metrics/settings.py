"""Where a service's metrics are read."""

from pydantic import Field

from tally.rpc.settings import ServiceSettings


class MetricsSettings(ServiceSettings):
    """Settings of a service that tells Prometheus how it does."""

    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port of the page `/metrics` for Prometheus, which asks for no secret; 0 takes "
        "a free one. Unset: no page.",
    )
    metrics_host: str | None = Field(
        None, description="Address of that page; unset means where the service itself listens."
    )
