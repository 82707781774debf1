# auscult's image: `docker build .`; with torch, for a GPU, `docker build --build-arg REQUIREMENTS=gpu .`.
# One chain of stages makes either, so that no builder makes what the other one needs.
# No step names a package index or a site: docs/howto/production.md says which arguments do.
ARG BASE_IMAGE=debian:12.13-slim@sha256:67b30a61dc87758f0caf819646104f29ecbda97d920aaf5edc834128ac8493d3

FROM ${BASE_IMAGE} AS base
RUN apt-get update \
    && apt-get upgrade --yes \
    && apt-get install --yes --no-install-recommends python3 tzdata \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/*

# Tools that install; none of them is in an image that runs.
FROM base AS builder
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils ca-certificates python3-venv \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/*
# A site's own certificate authorities (PEM), for a proxy that inspects TLS.
ARG SITE_CA
RUN if [ -n "${SITE_CA}" ]; then \
    printf '%s\n' "${SITE_CA}" > /usr/local/share/ca-certificates/site.crt && update-ca-certificates; fi
ARG PIP_INDEX_URL
ENV PIP_INDEX_URL=${PIP_INDEX_URL} UV_DEFAULT_INDEX=${PIP_INDEX_URL} UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
WORKDIR /src
COPY requirements/uv.txt requirements/uv.txt
RUN python3 -m venv /opt/tools \
    && /opt/tools/bin/python -m pip install --no-cache-dir --require-hashes -r requirements/uv.txt \
    && python3 -m venv --without-pip /opt/auscult

FROM builder AS packages
ARG REQUIREMENTS=base
COPY requirements/${REQUIREMENTS}.txt requirements/
RUN /opt/tools/bin/uv pip install --no-cache --python /opt/auscult/bin/python \
    --require-hashes -r requirements/${REQUIREMENTS}.txt
COPY pyproject.toml README.md LICENSE ./
COPY service service
COPY worker worker
COPY models models
COPY training training
COPY migrations migrations
COPY docker/prune.py docker/prune.py
RUN /opt/tools/bin/uv pip install --no-cache --python /opt/auscult/bin/python --no-deps . \
    && cd / && /opt/auscult/bin/python /src/docker/prune.py /opt/auscult/lib/python3.11/site-packages \
    && rm --force /opt/auscult/.lock

FROM base AS auscult
ARG VERSION=0.2.0
ARG REVISION
LABEL org.opencontainers.image.title="auscult" \
    org.opencontainers.image.description="A DICOM node that triages chest radiographs. Research use only; not a medical device." \
    org.opencontainers.image.licenses="Apache-2.0 AND CC-BY-4.0" \
    org.opencontainers.image.version=${VERSION} \
    org.opencontainers.image.revision=${REVISION}
RUN groupadd --system --gid 10001 auscult \
    && useradd --system --uid 10001 --gid auscult --home-dir /var/lib/auscult --shell /usr/sbin/nologin auscult \
    && install --directory --owner auscult --group auscult --mode 0700 /var/lib/auscult
ENV PATH=/opt/auscult/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    AUSCULT_DATA_DIR=/var/lib/auscult AUSCULT_LIVENESS__FOLDER=/tmp/alive
COPY --from=packages /opt/auscult /opt/auscult
WORKDIR /var/lib/auscult
USER auscult
ENTRYPOINT ["auscult"]
