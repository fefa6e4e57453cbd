# One image for portal, door, worker and beat. `make test-compose` builds and runs it.

FROM docker.io/library/node:22-bookworm-slim AS assets
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY static static
RUN npm run build

FROM docker.io/library/debian:bookworm-slim AS python
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
COPY requirements/app.txt /tmp/app.txt
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --cert /etc/ssl/certs/ca-certificates.crt \
      --require-hashes -r /tmp/app.txt

FROM docker.io/library/debian:bookworm-slim AS system
# RELION and Ghostscript are for the local compute site: there jobs run in the worker's container.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates curl ghostscript procps python3 relion util-linux \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --home-dir /data --no-create-home --shell /usr/sbin/nologin portolan \
 && install -d -o portolan -g portolan -m 0750 /data

FROM system
COPY --from=python /opt/venv /opt/venv
WORKDIR /srv/portolan
COPY manage.py ./
COPY accounts accounts
COPY common common
COPY gateway gateway
COPY jobs jobs
COPY projects projects
COPY samples samples
COPY storage storage
COPY templates templates
COPY static static
COPY --from=assets /src/static/dist static/dist
COPY deploy/entrypoint /usr/local/bin/portolan
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    PORTOLAN_HOME=/data STATIC_ROOT=/srv/portolan/staticfiles LOG_FORMAT=json
RUN PORTOLAN_HOME=/tmp/build python manage.py collectstatic --noinput -v0 && rm -rf /tmp/build
USER 10001:10001
VOLUME /data
ENTRYPOINT ["portolan"]
CMD ["portal"]
