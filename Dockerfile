# auscult in two images: `docker build --target cpu .` and `docker build --target gpu .`.
# No step names a package index: a site's own is given by --build-arg PIP_INDEX_URL=...

FROM debian:12.9-slim AS base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 tzdata \
    && rm -rf /var/lib/apt/lists/*

# Tools that install; none of them is in an image that runs.
FROM base AS builder
ARG PIP_INDEX_URL
ENV PIP_INDEX_URL=${PIP_INDEX_URL} UV_DEFAULT_INDEX=${PIP_INDEX_URL} UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements/uv.txt requirements/uv.txt
RUN python3 -m venv /opt/tools \
    && /opt/tools/bin/python -m pip install --no-cache-dir --require-hashes -r requirements/uv.txt \
    && python3 -m venv --without-pip /opt/auscult

FROM builder AS cpu-packages
COPY requirements/base.txt requirements/base.txt
RUN /opt/tools/bin/uv pip install --no-cache --compile-bytecode --python /opt/auscult/bin/python \
    --require-hashes -r requirements/base.txt
COPY pyproject.toml README.md LICENSE ./
COPY service service
COPY worker worker
COPY models models
COPY training training
COPY migrations migrations
RUN /opt/tools/bin/uv pip install --no-cache --compile-bytecode --python /opt/auscult/bin/python --no-deps . \
    && rm --force /opt/auscult/.lock

FROM builder AS gpu-packages
COPY requirements/gpu.txt requirements/gpu.txt
RUN /opt/tools/bin/uv pip install --no-cache --compile-bytecode --python /opt/auscult/bin/python \
    --require-hashes -r requirements/gpu.txt
COPY pyproject.toml README.md LICENSE ./
COPY service service
COPY worker worker
COPY models models
COPY training training
COPY migrations migrations
RUN /opt/tools/bin/uv pip install --no-cache --compile-bytecode --python /opt/auscult/bin/python --no-deps . \
    && rm --force /opt/auscult/.lock

FROM base AS runtime
RUN groupadd --system --gid 10001 auscult \
    && useradd --system --uid 10001 --gid auscult --home-dir /var/lib/auscult --shell /usr/sbin/nologin auscult \
    && install --directory --owner auscult --group auscult --mode 0700 /var/lib/auscult
ENV PATH=/opt/auscult/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    AUSCULT_DATA_DIR=/var/lib/auscult AUSCULT_LIVENESS__FOLDER=/tmp/alive
WORKDIR /var/lib/auscult
USER auscult
ENTRYPOINT ["auscult"]

FROM runtime AS gpu
COPY --from=gpu-packages /opt/auscult /opt/auscult

# The last stage is what a build without --target makes.
FROM runtime AS cpu
COPY --from=cpu-packages /opt/auscult /opt/auscult
