# syntax=docker/dockerfile:1
# The rollout service. Built from the repository's root:
#   docker build --file deploy/rollout.Dockerfile --tag tally-rollout .
#
# The base is the plain one: torch's and vLLM's packages bring the CUDA libraries they were built
# with, so a CUDA base would hold them twice. The host gives the driver.
FROM python:3.11.14-slim-bookworm AS dependencies
# vllm-4bit, vllm whose replicas can't hold 4 bits, or rollout for the transformers engine alone
ARG EXTRA=vllm-4bit
WORKDIR /build
COPY deploy/locks/$EXTRA.txt requirements.txt
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
    && cp --recursive --parents tally_grpo-*.dist-info rollout_service \
       tally/__init__.py tally/py.typed \
       tally/blob tally/families tally/host tally/learner tally/logs tally/metrics tally/reward \
       tally/rollout tally/rpc tally/sampling tally/text tally/torch_compat \
       tally/torch_engine tally/traces tally/weights \
       /app

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="Tally: rollout" \
      org.opencontainers.image.description="Prompt tokens, image and adapter to completions" \
      org.opencontainers.image.licenses="Apache-2.0"
# Triton, in which vLLM's LoRA kernels are written, compiles a launcher in C for each kernel at run
# time: a C compiler is part of what runs here.
# Debian keeps no older versions that could be pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 tally \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/tally --shell /usr/sbin/nologin tally \
    && install --directory --owner 10001 --group 10001 /var/lib/tally \
       /var/lib/tally/models /run/tally-gpus
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=code /app /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/tally \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    HF_HOME=/var/lib/tally/models \
    TALLY_ROLLOUT_SERVER__HOST=0.0.0.0 \
    TALLY_ROLLOUT_SERVER__PORT=50052
WORKDIR /var/lib/tally
USER 10001:10001
EXPOSE 50052
HEALTHCHECK --interval=10s --timeout=10s --start-period=900s --retries=3 \
    CMD ["python", "-m", "tally.rpc.health_check", "TALLY_ROLLOUT_"]
ENTRYPOINT ["python", "-m", "rollout_service"]
