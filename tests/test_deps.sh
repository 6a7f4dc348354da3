#!/bin/sh
# What the long tests start that PyPI does not carry. Run by `make test-deps`; needs root and apt for the first part and
# npm for the second. What cannot be installed is said, and the tests that need it skip by name.
set -u
cd "$(dirname "$0")/.."

DEBIAN="default-jre-headless postgresql redis-server rabbitmq-server nats-server nginx-light haproxy buildah skopeo \
kubernetes-client iproute2 openssh-client git chromium prometheus prometheus-alertmanager \
libjersey1-core-java libjersey1-server-java libjersey1-servlet-java libjsr311-api-java libjaxb-api-java"

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "==> packages of Debian"
    # Tests start their own servers: none of these is to be started by its package.
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $DEBIAN >/dev/null \
        || echo "apt-get could not install all of: $DEBIAN"
    rm -f /usr/sbin/policy-rc.d
else
    echo "no apt-get, or not root: tests that need one of these say so: $DEBIAN"
fi

if command -v npm >/dev/null 2>&1; then
    echo "==> packages of npm"
    npm install --silent --no-audit --no-fund --prefix .venv/npm azurite @kubernetes-models/argo-rollouts@2.0.0 \
        @kubernetes-models/prometheus-operator@6.0.0 typescript@5 >/dev/null || echo "npm could not install all of it"
else
    echo "no npm: tests that need Azurite say so"
fi
