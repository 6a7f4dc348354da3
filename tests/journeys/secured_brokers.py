"""The real brokers of the tests with TLS, where both sides show a certificate, and with logins."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

from tests.ports.brokers import Nats, Rabbit, Redis
from tests.ports.transport_certificates import Authority

USER, SECRET = "app", "open-sesame-7f3a91"


class Papers:
    """Certificates of a broker and of who asks it, by one authority."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        ours = Authority(folder, "ours")
        self.ca = ours.path
        self.chain, self.key = ours.issue("broker")
        self.own_chain, self.own_key = ours.issue("reader")
        self.options = f"ca={self.ca}&cert={self.own_chain}&key={self.own_key}"

    def context(self) -> ssl.SSLContext:
        """Of a client of the tests' own."""
        made = ssl.create_default_context(cafile=str(self.ca))
        made.load_cert_chain(self.own_chain, self.own_key)
        return made


class SecuredRedis(Redis):
    """A user of an access list; its password is `${NAME}` in the address."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.papers = Papers(folder / "papers")
        (folder / "redis.conf").write_text(
            f"port 0\ntls-port {self.port}\nbind 127.0.0.1\nsave ''\ndir {folder}\nappendonly yes\n"
            f"tls-cert-file {self.papers.chain}\ntls-key-file {self.papers.key}\ntls-ca-cert-file {self.papers.ca}\n"
            f"tls-auth-clients yes\nuser default off\nuser {USER} on >{SECRET} ~* &* +@all\n"
        )

    def words(self) -> list[str]:
        return [self.program, str(self.folder / "redis.conf")]

    def address(self, name: str, options: str | None = None) -> str:
        told = self.papers.options if options is None else options
        return f"rediss://{USER}:${{BROKER_SECRET}}@127.0.0.1:{self.port}/{name}?{told}"

    def client(self) -> Any:
        import redis

        papers = self.papers
        return redis.Redis(
            port=self.port, username=USER, password=SECRET, ssl=True, ssl_ca_certs=str(papers.ca),
            ssl_certfile=str(papers.own_chain), ssl_keyfile=str(papers.own_key), socket_timeout=20,
        )  # fmt: skip


class SecuredNats(Nats):
    """A token, which the address takes from a file."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.papers = Papers(folder / "papers")
        (folder / "nats.conf").write_text(
            f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{folder}/data" }}\n'
            f'authorization {{ token: "{SECRET}" }}\n'
            f'tls {{ cert_file: "{self.papers.chain}", key_file: "{self.papers.key}", ca_file: "{self.papers.ca}",\n'
            "  verify: true }\n"
        )

    def words(self) -> list[str]:
        return [self.program, "-c", str(self.folder / "nats.conf")]

    def address(self, name: str, options: str | None = None) -> str:
        told = f"&{self.papers.options}" if options is None else options
        word = self.folder / "token"
        word.write_text(os.environ.get("BROKER_SECRET", SECRET) + "\n")
        return f"tls://127.0.0.1:{self.port}/{name}?token=file:{word}{told}"

    async def client(self) -> Any:
        import nats

        return await nats.connect(
            f"tls://127.0.0.1:{self.port}", token=SECRET, tls=self.papers.context(), allow_reconnect=False,
            connect_timeout=5,
        )  # fmt: skip


class SecuredRabbit(Rabbit):
    """A user; its password is a reference to the environment."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.papers = Papers(folder / "papers")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp = none\nlisteners.ssl.1 = 127.0.0.1:{self.port}\nlog.console = true\nlog.file = false\n"
            f"vm_memory_high_watermark.absolute = 1GB\ndisk_free_limit.absolute = 50MB\n"
            f"ssl_options.cacertfile = {self.papers.ca}\nssl_options.certfile = {self.papers.chain}\n"
            f"ssl_options.keyfile = {self.papers.key}\nssl_options.verify = verify_peer\n"
            f"ssl_options.fail_if_no_peer_cert = true\ndefault_user = {USER}\ndefault_pass = {SECRET}\n"
        )

    def address(self, name: str, options: str | None = None) -> str:
        told = f"&{self.papers.options}" if options is None else options
        return f"amqps://127.0.0.1:{self.port}/{name}?user={USER}&password=env:BROKER_SECRET{told}"

    async def client(self) -> Any:
        import aio_pika

        return await aio_pika.connect(
            host="127.0.0.1", port=self.port, login=USER, password=SECRET, ssl=True, timeout=20,
            ssl_context=self.papers.context(),
        )  # fmt: skip


SECURED = {"redis": SecuredRedis, "nats": SecuredNats, "rabbitmq": SecuredRabbit}
