"""PostgreSQL refuses to run as root: run it as a system user, and let that user reach its files."""

import logging
import os
import pwd
import shutil
import stat
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from orchestrator_project.runtime.engines.errors import EngineError

SYSTEM_USER = "embedded_postgres"
PROGRAMS = Path("/var/cache/trading-orchestrator")
USERADD_TRIES = 20
USERADD_WAIT_SECONDS = 0.25

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """The system user an engine runs as."""

    uid: int
    gid: int


def account_for(data: Path) -> Account | None:
    """Return whom PostgreSQL must run as, None for ourselves.

    Data in an ordinary user's folder is and stays that user's, also when root comes by.
    """
    if os.geteuid() != 0:
        return None
    owner = owner_of(data) if data.exists() else owner_of(data.parent)
    if owner is not None:
        return owner
    entry = _find_user() or _create_user()
    return Account(entry.pw_uid, entry.pw_gid)


def owner_of(path: Path) -> Account | None:
    """Return the ordinary user that ``path`` belongs to, None when that is us, or we are not root."""
    facts = path.stat()
    return Account(facts.st_uid, facts.st_gid) if os.geteuid() == 0 and facts.st_uid != 0 else None


def keep_owner(path: Path) -> None:
    """Give what root made in an ordinary user's folder to that user, who must be able to go on with it."""
    owner = owner_of(path.parent)
    if owner is not None:
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)  # never what a planted link points to


def open_path(folder: Path, account: Account, *, within: Path) -> bool:
    """Let ``account`` pass through the parents of ``folder`` from ``within`` on: adds o+x where it is missing.

    Folders above ``within`` are nobody's of ours and stay as they are. Returns whether the account can pass them, too.
    """
    ours, reachable = within.resolve(), True
    for parent in reversed(folder.resolve().parents):
        facts = parent.stat()
        if facts.st_mode & stat.S_IXOTH or facts.st_uid == account.uid:
            continue
        if parent != ours and ours not in parent.parents:
            reachable = False
            continue
        parent.chmod(stat.S_IMODE(facts.st_mode) | stat.S_IXOTH)
        logger.warning(
            "Added the permission o+x to %s: PostgreSQL does not run as root, and the system user it "
            "runs as must be able to pass through this folder.",
            parent,
        )
    return reachable


def open_programs(install: Path, account: Account, *, within: Path) -> bool:
    """Let ``account`` run the programs below ``install``, which a strict umask may have kept to root.

    Returns whether it can reach them (``open_path``).
    """
    reachable = open_path(install, account, within=within)
    program = install / "bin" / "postgres"
    wanted = stat.S_IXOTH | stat.S_IROTH
    if program.stat().st_mode & wanted == wanted and install.stat().st_mode & stat.S_IXOTH:
        return reachable
    libraries = install.parent.parent / "embedded_postgres.libs"
    for root in (install.parent, libraries):
        for path in (root, *root.rglob("*")):
            if path.is_symlink():
                continue
            mode = stat.S_IMODE(path.stat().st_mode)
            extra = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() or mode & stat.S_IXUSR else 0)
            path.chmod(mode | extra)
    logger.warning(
        "Made %s readable for other users: PostgreSQL does not run as root, and the system user it "
        "runs as must be able to read its programs.",
        install.parent,
    )
    return reachable


def copied_programs(install: Path) -> Path:
    """Return a copy of the programs below ``install`` in a place that everybody can reach, made where it is missing.

    A program and its libraries find each other by their real paths, so no other name of the same place will do.

    Raises:
        EngineError: nothing can be written there.
    """
    place = PROGRAMS / f"{install.parent.name}-{(install / 'bin' / 'postgres').stat().st_mtime_ns:x}"
    copy = place / install.parent.name / install.name
    if copy.exists():
        return copy
    draft = PROGRAMS / f".{os.getpid()}"
    try:
        PROGRAMS.mkdir(mode=0o755, parents=True, exist_ok=True)
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(install, draft / install.parent.name / install.name, symlinks=True)
        libraries = install.parent.parent / f"{install.parent.name}.libs"
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        for folder in (PROGRAMS, draft, draft / install.parent.name):  # whatever the umask
            folder.chmod(0o755)
        draft.rename(place)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if copy.exists():  # another start was quicker
            return copy
        raise EngineError(
            f"PostgreSQL does not run as root, its system user cannot reach {install}, and a copy in {PROGRAMS} "
            f"could not be made ({error.strerror}): run as an ordinary user, or put the project where others may pass."
        ) from None
    logger.warning(
        "Copied PostgreSQL's programs to %s: it does not run as root, and its system user cannot reach %s.",
        place,
        install,
    )
    return copy


def _find_user() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return None


def _create_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    words = ""
    for _ in range(USERADD_TRIES):  # another command may hold /etc/passwd's lock, or make the same user
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (constant words)
        except FileNotFoundError:
            words = "useradd is not installed"
            break
        if (entry := _find_user()) is not None:
            return entry
        words = done.stderr.strip()
        time.sleep(USERADD_WAIT_SECONDS)
    raise EngineError(
        f"PostgreSQL does not run as root, and its system user {SYSTEM_USER} could not be made ({words}): "
        "run as an ordinary user, or set DATABASE_URL to a server."
    )
