# Stands for docker.io/library/redis: Debian's Redis 7.
FROM docker.io/library/debian:bookworm-slim
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends redis-server \
 && rm -rf /var/lib/apt/lists/* && install -d -m 1777 /work
ENV PATH=/usr/local/bin:/usr/bin:/bin
WORKDIR /work
CMD ["redis-server"]
