#!/bin/sh
# What the long tests start that PyPI does not carry. Run by `make test-deps`; needs root and apt for the first part and
# npm for the second. What is there already is left alone, so that a second run takes seconds. What cannot be installed
# is said, and the tests that need it skip by name.
set -u
cd "$(dirname "$0")/.."

DEBIAN="default-jre-headless postgresql redis-server rabbitmq-server nats-server nginx-light haproxy buildah skopeo \
kubernetes-client iproute2 openssh-client git chromium prometheus prometheus-alertmanager \
libjersey1-core-java libjersey1-server-java libjersey1-servlet-java libjsr311-api-java libjaxb-api-java"
NPM="azurite@3 @kubernetes-models/argo-rollouts@2.0.0 @kubernetes-models/prometheus-operator@6.0.0 typescript@5"
NO_SERVICES=/usr/sbin/policy-rc.d

there() {  # whether a package of Debian is there, or what it is wanted for comes from elsewhere
    case "$1" in
        # Another kubectl that owns /usr/bin/kubectl would make dpkg refuse this one, and apt all of them with it.
        kubernetes-client) command -v kubectl >/dev/null 2>&1 && return 0 ;;
        default-jre-headless) command -v java >/dev/null 2>&1 && return 0 ;;
    esac
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

installed() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1
}

debian() {
    missing=""
    for package in $DEBIAN; do there "$package" || missing="$missing $package"; done
    [ -n "$missing" ] || { echo "==> packages of Debian: all there"; return; }
    if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
        echo "no apt-get, or not root: tests that need one of these say so:$missing"
        return
    fi
    echo "==> packages of Debian:$missing"
    # Tests start their own servers: none of these is to be started by its package.
    if [ ! -e "$NO_SERVICES" ]; then
        trap 'rm -f "$NO_SERVICES"' EXIT INT TERM
        printf '#!/bin/sh\nexit 101\n' > "$NO_SERVICES" && chmod +x "$NO_SERVICES"
    fi
    apt-get update -qq || echo "apt-get update failed: what is known already is tried"
    # shellcheck disable=SC2086
    installed $missing && return
    refused=""
    for package in $missing; do installed "$package" || refused="$refused $package"; done
    [ -z "$refused" ] || echo "apt-get could not install, so tests that need them say so:$refused"
}

npm_packages() {
    stamp=.venv/npm/installed
    if [ "$(cat "$stamp" 2>/dev/null)" = "$NPM" ]; then
        echo "==> packages of npm: all there"
    elif ! command -v npm >/dev/null 2>&1; then
        echo "no npm: tests that need one of these say so: $NPM"
    else
        echo "==> packages of npm: $NPM"
        # shellcheck disable=SC2086
        if npm install --silent --no-audit --no-fund --prefix .venv/npm $NPM >/dev/null; then
            printf '%s\n' "$NPM" > "$stamp"
        else
            echo "npm could not install all of it: tests that need it say so"
        fi
    fi
}

servers() {  # what would conflict with .venv has environments of its own, made once for a lock
    echo "==> MLflow's server, in .venv-server-mlflow"
    .venv/bin/python -c "from tests.journeys.mlflow_server import server_python; server_python()" \
        || echo "it could not be made: tests that need it say so"
}

debian
npm_packages
servers
