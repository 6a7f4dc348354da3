"""A slim base image with Python and pip, made from this machine's own interpreter: no registry is needed.

What `docker.io/library/python:3.11-slim` is to those who can fetch it: the interpreter below /usr/local, the shared
libraries it and wheels of `manylinux` need, a shell, certificates, a user database. `python -m` of it is the test's.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

KEPT_OUT = {"test", "idlelib", "lib2to3", "tkinter", "turtledemo", "site-packages", "__pycache__"}
ALWAYS = ("libstdc++.so.6", "libgcc_s.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1",
          "libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2", "libm.so.6", "libgomp.so.1")  # fmt: skip


def make_rootfs(root: Path) -> Path:
    """A root file system in `root`, with the interpreter that runs this at /usr/local/bin/python."""
    for folder in ("tmp", "etc", "usr/local/bin", "usr/local/lib", "usr/bin", "usr/lib", "usr/sbin", "proc", "sys",
                   "dev", "run", "root", "var/lib", "var/tmp", "home"):  # fmt: skip
        (root / folder).mkdir(parents=True, exist_ok=True)
    for link, to in (("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib"), ("sbin", "usr/sbin")):
        (root / link).symlink_to(to)
    for folder in ("tmp", "var/tmp"):
        (root / folder).chmod(0o1777)
    _python(root)
    for binary in ("/bin/dash", "/sbin/ldconfig"):
        shutil.copy2(Path(binary).resolve(), root / "usr/bin" / Path(binary).name)
    (root / "usr/bin/sh").symlink_to("dash")
    for library in _libraries(root):
        target = root / "usr/lib" / library.name
        if not target.exists():
            shutil.copy2(library.resolve(), target)
    (root / "etc/ld.so.conf").write_text("/usr/local/lib\n/usr/lib\n")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    subprocess.run(["/sbin/ldconfig", "-r", str(root), "-X"], check=True, timeout=60)
    (root / "var/cache/ldconfig").mkdir(parents=True, exist_ok=True)
    return root


def _python(root: Path) -> None:
    """The interpreter with its standard library and pip."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    prefix = Path(sys.base_prefix)
    shutil.copy2((prefix / "bin" / version).resolve(), root / "usr/local/bin" / version)
    for name in ("python", "python3"):
        (root / "usr/local/bin" / name).symlink_to(version)
    for shared in prefix.glob("lib/libpython*.so*"):
        shutil.copy2(shared, root / "usr/local/lib" / shared.name, follow_symlinks=False)
    standard = root / "usr/local/lib" / version

    def skipped(folder: str, names: list[str]) -> set[str]:
        top = Path(folder) == prefix / "lib" / version
        return {n for n in names if n == "__pycache__" or (top and (n in KEPT_OUT or n.startswith("config-")))}

    shutil.copytree(prefix / "lib" / version, standard, ignore=skipped, symlinks=True)
    packages = standard / "site-packages"
    packages.mkdir()
    import pip

    home = Path(next(iter(pip.__path__)))
    shutil.copytree(home, packages / "pip", ignore=shutil.ignore_patterns("__pycache__"))
    for info in home.parent.glob("pip-*.dist-info"):
        shutil.copytree(info, packages / info.name)


def _libraries(root: Path) -> list[Path]:
    """Every shared library that the interpreter, its extensions and the usual wheels load, where it is here."""
    loaded = [*root.glob("usr/local/bin/python3*"), *root.glob("usr/local/lib/**/*.so*"), *root.glob("usr/bin/*")]
    found: dict[str, Path] = {}
    for binary in loaded:
        if binary.is_symlink() or not binary.is_file():
            continue
        told = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, timeout=60, check=False).stdout
        for path in re.findall(r"(/\S+) \(0x", told):
            if not path.startswith((str(root), sys.base_prefix)):
                found[Path(path).name] = Path(path)
    where = Path(f"/lib/{sysconfig.get_config_var('MULTIARCH') or 'x86_64-linux-gnu'}")
    for name in ALWAYS:
        for folder in (where, Path("/usr") / where.relative_to("/")):
            if (folder / name).exists():
                found.setdefault(name, folder / name)
    return list(found.values())
