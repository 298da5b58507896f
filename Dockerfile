# lbclient in a container: the command line and the reference server.
#
#   docker build -t lbclient .
#   docker run --rm -p 127.0.0.1:9876:9876 --name lb lbclient --demo --default-provider noop_driver
#   docker exec lb cat /var/lib/lbclient/clouds.yaml
#
# Everything that the build needs comes from the package index that pip is configured for.
FROM python:3.12-slim AS build
COPY . /src
RUN python -m venv /opt/lbclient \
 && /opt/lbclient/bin/pip install --no-cache-dir --no-compile '/src[server,postgresql]' \
 # The server imports none of these: openstacksdk is osc-lib's, pygments cliff's, and pip was for this step.
 && /opt/lbclient/bin/pip uninstall -y openstacksdk pygments pip

FROM python:3.12-slim AS base
RUN useradd --system --home-dir /var/lib/lbclient --create-home --shell /usr/sbin/nologin lbclient \
 && chmod 0700 /var/lib/lbclient
COPY --from=build /opt/lbclient /opt/lbclient
ENV PATH=/opt/lbclient/bin:$PATH HOME=/var/lib/lbclient PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/lbclient
VOLUME /var/lib/lbclient
EXPOSE 9876
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s \
    CMD ["lbclient", "server", "status", "--state-directory", "/var/lib/lbclient"]
STOPSIGNAL SIGTERM

# For operation, with addresses of the host's interfaces: contrib/container/compose.yaml. Docker gives capabilities to root
# alone: the entry point takes three of them along to the user lbclient, and gives up the others.
FROM base AS operation
ENTRYPOINT ["setpriv", "--reuid=lbclient", "--regid=lbclient", "--init-groups", "--no-new-privs", \
    "--inh-caps=-all,+net_admin,+net_bind_service,+net_raw", \
    "--ambient-caps=-all,+net_admin,+net_bind_service,+net_raw", \
    "--bounding-set=-all,+net_admin,+net_bind_service,+net_raw", \
    "lbclient", "server", "--state-directory", "/var/lib/lbclient"]
CMD ["--config-file", "/etc/lbclient/server.ini"]

# For tests.
FROM base
USER lbclient
ENTRYPOINT ["lbclient", "server", "--state-directory", "/var/lib/lbclient", "--bind-host", "0.0.0.0"]
CMD ["--demo"]
