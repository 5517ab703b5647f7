# syntax=docker/dockerfile:1
# The gateway service. Built from the repository's root:
#   docker build --file deploy/gateway.Dockerfile --tag tally-gateway .
FROM python:3.11.14-slim-bookworm AS dependencies
WORKDIR /build
COPY deploy/locks/gateway.txt requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv install --require-hashes --requirement requirements.txt

# The installed package, and of it what this service may import.
FROM python:3.11.14-slim-bookworm AS code
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-deps --target installed .
WORKDIR /build/installed
RUN mkdir /app \
    && cp --recursive --parents tally_grpo-*.dist-info gateway \
       tally/__init__.py tally/py.typed \
       tally/annotations tally/blob tally/database tally/host tally/job tally/learner tally/logs \
       tally/messages tally/metrics tally/reward tally/rollout tally/rpc tally/text tally/traces \
       /app

# What draws the page's curves; gateway.page.charts knows its files by their digests.
FROM node:20.20.2-bookworm-slim AS charts
WORKDIR /build
RUN npm pack uplot@1.6.31 --ignore-scripts

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="Tally: gateway" \
      org.opencontainers.image.description="REST API, uploads, jobs and live events" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 tally \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/tally --shell /usr/sbin/nologin tally \
    && install --directory --owner 10001 --group 10001 /var/lib/tally /var/lib/tally/gateway
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=code /app /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/tally \
    TALLY_GATEWAY_HOST=0.0.0.0 \
    TALLY_GATEWAY_PORT=8000 \
    TALLY_GATEWAY_DATA_DIR=/var/lib/tally/gateway
RUN --mount=type=bind,from=charts,source=/build,target=/charts \
    python -m gateway.page.charts /charts/uplot-1.6.31.tgz
WORKDIR /var/lib/tally
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-m", "gateway.health_check"]
ENTRYPOINT ["python", "-m", "gateway"]
