"""docs/how-to pages of what is shipped and released: their commands, in their order, on the churn project."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from functools import partial
from pathlib import Path

import httpx
import pytest
from tests.conftest import Program, eventually
from tests.docs.reader import Reader
from tests.ports.brokers import free_ports
from tests.ports.transport_certificates import Authority

pytestmark = pytest.mark.long


@pytest.mark.parametrize("page", ["docker", "terraform", "cloudformation", "ci", "kubeflow"])
def test_what_the_page_exports_is_exported(page: str, shop: Path) -> None:
    Reader(page, shop).follow_all()
    assert list(shop.glob("export/*/*"))


def test_kserve(shop: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: make test-deps")
    Reader("kserve", shop).follow_all()


def test_kubernetes_and_routes_by_url(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of the page answers what the project deployed, in a folder with nothing but its settings."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: make test-deps")
    certificate, key = (authority := Authority(tmp_path, "page")).issue("control")
    (port,) = free_ports(1)
    settings = shop / "fairlead.toml"
    served = f'[serve]\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n'
    settings.write_text(settings.read_text().replace("[serve]\n", served))
    monkeypatch.setenv("FAIRLEAD_ROUTES_TOKEN", "t" * 40)
    public = Program(shop).json("routes", "--key")["key"]
    control = {"0.0.0.0": f"127.0.0.1 --port {port}", "https://control.example.org:8090": f"https://127.0.0.1:{port}"}
    reader = Reader(
        "kubernetes", shop, {**control, "key KEY": f"key {public}"}, SSL_CERT_FILE=str(authority.path),
        FAIRLEAD_SERVE__PORT="0",
    )  # fmt: skip
    serve = "fairlead serve --routes https://control.example.org:8090/routes --routes-key KEY"

    def elsewhere() -> None:
        reader.go(tmp_path / "server")
        shutil.copy(settings, tmp_path / "server")

    reader.before[serve] = elsewhere
    trusted = ssl.create_default_context(cafile=str(authority.path))
    for done in reader.follow():
        if done.startswith("fairlead serve"):
            url = reader.url("fairlead serve")
            ready = partial(httpx.get, f"{url}/v2/health/ready", verify=trusted)
            eventually(lambda ready=ready: ready().status_code == 200, what="routes there")
            assert httpx.get(f"{url}/v2/models/churn", verify=trusted).json()["name"] == "churn"


def test_git_releases(shop: Path, tmp_path: Path) -> None:
    program = Program(shop)
    settings = shop / "fairlead.toml"
    text = settings.read_text()
    assert "seed = 0" in text
    for seed in (1, 2):
        settings.write_text(text.replace("seed = 0", f"seed = {seed}"))
        for verb in ("train", "evaluate", "register"):
            program.run(verb)
    program.run("deploy", "2")

    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=shop, check=True, capture_output=True, timeout=60, env=reader.environ)

    bundle = program.json("inspect", "3")["bundle"]
    reader = Reader(
        "git-releases", shop, {"762b3510…": bundle}, GIT_EDITOR="true", GIT_AUTHOR_NAME="Ada",
        GIT_AUTHOR_EMAIL="ada@example.org", GIT_COMMITTER_NAME="Ada", GIT_COMMITTER_EMAIL="ada@example.org",
    )  # fmt: skip
    git("init", "--quiet", "--initial-branch=main")
    (shop / ".gitignore").write_text(".fairlead/\n*.csv\n*.pub\n")
    git("add", "--all")
    git("commit", "--quiet", "--message", "a project")

    def commit() -> None:
        said = (shop / "releases" / "churn.toml").read_text()
        (shop / "releases" / "churn.toml").write_text("[release]\nversion = 2\n")
        git("add", "--all")
        git("commit", "--quiet", "--message", "version 2 answers")
        (shop / "releases" / "churn.toml").write_text(said)
        git("commit", "--quiet", "--all", "--message", "version 3 answers")

    def keys() -> None:
        (reader.home / ".ssh").mkdir(mode=0o700)
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(reader.home / ".ssh" / "id_ed25519")]
        subprocess.run(made, check=True, timeout=60)
        shutil.copy(reader.home / ".ssh" / "id_ed25519.pub", shop / "ada.pub")
        git("tag", "--delete", "churn/v3")

    reader.before["fairlead release --from-git"] = commit
    allow = 'echo "ada@example.org namespaces=\\"git\\" $(cat ada.pub)" > .fairlead/keys/release_signers'
    reader.before[allow] = keys
    champions = []
    for done in reader.follow():
        if "release --from-git" in done:
            champions.append(program.json("status")["variants"][0]["version"])
    assert champions == [3, 3, 2]


def test_capacity(shop: Path) -> None:
    Reader("capacity", shop, {"5000/s": "200/s", "20ms": "500ms"}).follow_all()


def test_platforms(shop: Path) -> None:
    (bundle,) = (shop / ".fairlead" / "bundles").iterdir()
    (port,) = free_ports(1)
    Reader("platforms", shop, {"8080": str(port), "bundles/ID": f"bundles/{bundle.name}"}).follow_all()
