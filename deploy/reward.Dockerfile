# syntax=docker/dockerfile:1
# The reward service. Built from the repository's root:
#   docker build --file deploy/reward.Dockerfile --tag tally-reward .
FROM python:3.11.14-slim-bookworm AS dependencies
WORKDIR /build
COPY deploy/locks/reward.txt requirements.txt
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
    && cp --recursive --parents tally_grpo-*.dist-info reward_service \
       tally/__init__.py tally/py.typed \
       tally/blob tally/host tally/learner tally/logs tally/metrics tally/reward tally/rollout tally/rpc \
       tally/text tally/traces \
       /app

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="Tally: reward" \
      org.opencontainers.image.description="Answer text and true count to count, difference and reward" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 tally \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/tally --shell /usr/sbin/nologin tally \
    && install --directory --owner 10001 --group 10001 /var/lib/tally
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=code /app /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/tally \
    TALLY_REWARD_SERVER__HOST=0.0.0.0 \
    TALLY_REWARD_SERVER__PORT=50051
WORKDIR /var/lib/tally
USER 10001:10001
EXPOSE 50051
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s --retries=3 \
    CMD ["python", "-m", "tally.rpc.health_check", "TALLY_REWARD_"]
ENTRYPOINT ["python", "-m", "reward_service"]
