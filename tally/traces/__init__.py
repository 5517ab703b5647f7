"""Where the time of a request, a job or a step went, over all services: OpenTelemetry's spans."""
