# syntax=docker/dockerfile:1
# The learner service. Built from the repository's root:
#   docker build --file deploy/learner.Dockerfile --tag tally-learner .
#
# The base is the plain one: torch's and bitsandbytes' packages bring the CUDA libraries they were
# built with, so a CUDA base would hold them twice. The host gives the driver.
FROM python:3.11.14-slim-bookworm AS dependencies
# learner; trackers for one that can record jobs in TensorBoard, MLflow or W&B; ray for one whose jobs
# run on a Ray cluster, and for its nodes
ARG EXTRA=learner
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
    && cp --recursive --parents tally_grpo-*.dist-info learner_service \
       tally/__init__.py tally/py.typed \
       tally/blob tally/database tally/families tally/host tally/job tally/learner tally/logs \
       tally/messages tally/metrics tally/reward tally/rollout tally/rpc tally/sampling tally/text \
       tally/torch_compat tally/torch_engine tally/traces tally/weights \
       /app

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="Tally: learner" \
      org.opencontainers.image.description="GRPO training, checkpoints, evaluation and the blob store" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 tally \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/tally --shell /usr/sbin/nologin tally \
    && install --directory --owner 10001 --group 10001 /var/lib/tally \
       /var/lib/tally/learner /var/lib/tally/models /run/tally-gpus
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
    TALLY_LEARNER_SERVER__HOST=0.0.0.0 \
    TALLY_LEARNER_SERVER__PORT=50053 \
    TALLY_LEARNER_DATA_DIR=/var/lib/tally/learner
WORKDIR /var/lib/tally
USER 10001:10001
EXPOSE 50053
HEALTHCHECK --interval=10s --timeout=10s --start-period=120s --retries=3 \
    CMD ["python", "-m", "tally.rpc.health_check", "TALLY_LEARNER_"]
ENTRYPOINT ["python", "-m", "learner_service"]
