# docker build --build-arg COMMIT=$(git rev-parse HEAD) --tag heapfast:0.1.0 .
#
# Two stages: compilers stay behind. The image runs as nobody in particular, writes nowhere but /tmp, and answers to
# the names of the two daemons it stands in for, because their manifests name them as the command.

ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS build
RUN apt-get update \
    && apt-get install --no-install-recommends --yes gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/heapfast
WORKDIR /src
COPY pyproject.toml setup.py MANIFEST.in README.md LICENSE CHANGELOG.md ./
COPY heapfast heapfast
ARG COMMIT=""
RUN HEAPFAST_BUILD=release HEAPFAST_COMMIT="${COMMIT}" /opt/heapfast/bin/pip install --no-cache-dir '.[kafka]'

FROM ${PYTHON}
COPY --from=build /opt/heapfast /opt/heapfast
RUN ln -s /opt/heapfast/bin/heapfast /heapfast \
    && ln -s heapfast /heapster \
    && ln -s heapfast /metrics-server
# Certificates of its own go to /tmp, the one place that is writable under a read-only root.
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 1000:1000
EXPOSE 8082 10250
ENTRYPOINT ["/heapfast"]
