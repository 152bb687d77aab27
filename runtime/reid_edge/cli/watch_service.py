"""`reid-edge watch install-service`: a systemd unit for the daemon."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reid_edge.cli.options import GalleryPlace
from reid_edge.cli.printing import printable
from reid_edge.errors import StorageError, UsageError
from reid_edge.storage.address import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reid_edge.watch.configuration import Configuration

_PATH = click.Path(path_type=Path, readable=False)
_ACCOUNT = "reid-edge"
_ROOT_WARNING = (
    "warning: this service runs as root, and it decodes files that come from elsewhere. "
    "Give it a user of its own: --make-account, or --account NAME."
)
_FOLDER_VARIABLES = ("REID_EDGE_HOME", "REID_EDGE_ENGINES")


@click.command("install-service", short_help="Run the daemon with systemd.")
@click.argument("folders", nargs=-1, type=_PATH)
@click.option("--config", type=_PATH, help="The daemon's TOML file; `systemctl reload` reads it again.")
@click.option("--gallery", type=GalleryPlace(), help="The catalogue of known individuals.")
@click.option("--out", type=_PATH, help="The folder that the daemon writes into.")
@click.option("--user/--system", "for_user", default=False, help="A user service, or a system service. [default: system]")
@click.option("--account", metavar="NAME", help="The user that a system service runs as. [default: you]")
@click.option(
    "--make-account", is_flag=True, help="Make that user first, without a password, if there is none. [default name: reid-edge]"
)
@click.option("--name", default="reid-edge-watch", show_default=True, help="The name of the service.")
@click.option("--memory", default="75%", show_default=True, help="The memory limit: 2G, or a share of the machine's memory.")
@click.option("--print", "only_print", is_flag=True, help="Print the unit and install nothing.")
def install_service(
    folders: tuple[Path, ...],
    config: Path | None,
    gallery: Place | None,
    out: Path | None,
    for_user: bool,
    account: str | None,
    make_account: bool,
    name: str,
    memory: str,
    only_print: bool,
) -> None:
    """Install a systemd unit that starts the daemon at boot, watches it, and restarts it after any end.

    Give the settings in a TOML file (--config), or FOLDERS, --gallery and --out here. A service that reads files of strangers should not
    run as root: --make-account makes a user of its own for it.
    """
    from reid_edge.watch.configuration import read_configuration
    from reid_edge.watch.service.unit import Unit, check_name_and_memory, install, unit_text

    check_name_and_memory(name, memory)
    if for_user and (account or make_account):
        raise UsageError("--user and --account exclude each other.", "A user service runs as you.")
    given = {key: value for key, value in (("folders", folders or None), ("gallery", gallery), ("out", out)) if value is not None}
    configuration = read_configuration(config, given)
    if make_account:
        account = account or _ACCOUNT
        _make_account(account, only_print)
    runs_as = None if for_user else account or os.environ.get("SUDO_USER") or _own_name()
    if runs_as == "root":
        click.echo(_ROOT_WARNING, err=True)
    environment = {key: str(Path(os.environ[key]).absolute()) for key in _FOLDER_VARIABLES if os.environ.get(key)}
    store = Path(environment.get("REID_EDGE_HOME") or _home(runs_as) / ".local/share/reid-edge")
    text = unit_text(
        Unit(
            command=_command(configuration, config, given),
            needed=(configuration.out, *_gallery_file(configuration)),
            writable=tuple(dict.fromkeys((*_written(configuration), store, *map(Path, environment.values())))),
            account=runs_as,
            memory=memory,
            environment=environment,
        )
    )
    if only_print:
        click.echo(text, nl=False)
        return
    if not for_user:
        for folder in (configuration.out, store):
            _make_for(folder, runs_as)
    path = (_user_units() if for_user else Path("/etc/systemd/system")) / f"{name}.service"
    install(text, path)
    control = "systemctl --user" if for_user else "sudo systemctl"
    click.echo(printable(f"{path} is written. Start it now and at every boot:"), err=True)
    click.echo(f"  {control} daemon-reload && {control} enable --now {name}", err=True)
    if for_user:
        click.echo("It runs while you are logged in. To run it always: sudo loginctl enable-linger $USER", err=True)


def _make_account(account: str, only_print: bool) -> None:
    """Make a system user that cannot log in; one that exists is left as it is.

    Raises:
        UsageError: the name is none, or this is not root. StorageError: useradd fails.
    """
    import pwd
    import re
    import subprocess

    with contextlib.suppress(KeyError):
        pwd.getpwnam(account)
        return
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,30}", account):
        raise UsageError(f"{account!r} cannot be the name of a user.", "Use small letters, digits and dashes.")
    command = [
        "useradd",
        "--system",
        "--create-home",
        "--home-dir",
        f"/var/lib/{account}",
        "--shell",
        "/usr/sbin/nologin",
        account,
    ]
    if only_print or os.geteuid() != 0:
        raise UsageError(f"There is no user {account!r}, and only root can make one.", f"Run: sudo {' '.join(command)}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise StorageError(
            f"The user {account} cannot be made: {error.strerror or error}.", "Install the package passwd."
        ) from error
    if done.returncode:
        raise StorageError(f"The user {account} cannot be made: {done.stderr.strip()}", f"Run: {' '.join(command)}")


def _command(configuration: Configuration, config: Path | None, given: Mapping[str, object]) -> list[str]:
    """The daemon's command line, with absolute paths, because a service starts in the folder /."""
    command = [sys.executable, "-m", "reid_edge", "watch", "run"]
    if config is not None:
        command += ["--config", str(config.resolve())]
    if "gallery" in given or config is None:
        command += ["--gallery", str(configuration.gallery)]
    if "out" in given or config is None:
        command += ["--out", str(configuration.out)]
    if "folders" in given:
        command += ["--", *map(str, configuration.folders)]
    return command


def _gallery_file(configuration: Configuration) -> list[Path]:
    return [configuration.gallery] if isinstance(configuration.gallery, Path) else []


def _written(configuration: Configuration) -> list[Path]:
    """The folders that the daemon writes into; the watched folders only where it moves photos or writes side-cars beside them."""
    folders = [configuration.out, *(file.parent for file in _gallery_file(configuration))]
    if configuration.sidecar_dir:
        folders.append(configuration.sidecar_dir)
    if configuration.move or (configuration.sidecar and not configuration.sidecar_dir):
        folders += configuration.folders
    return folders


def _own_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        raise UsageError(
            "Your user has no name on this machine.", "Name the user that the service runs as: --account NAME."
        ) from None


def _home(account: str | None) -> Path:
    """The home folder of an account, which holds its packs and engines."""
    import pwd

    if account is None:
        return Path.home()
    try:
        return Path(pwd.getpwnam(account).pw_dir)
    except KeyError:
        raise UsageError(f"There is no user {account!r} on this machine.", "Name another one: --account NAME.") from None


def _make_for(folder: Path, account: str | None) -> None:
    """Make a folder and its parents for the account that writes into it, because the service itself may not make it.

    Raises:
        StorageError: it cannot be made.
    """
    import shutil

    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        for each in reversed(missing):
            each.mkdir()
            if account is not None and os.geteuid() == 0:
                shutil.chown(each, account)
    except OSError as error:
        raise StorageError(
            f"The folder {folder} cannot be made: {error.strerror or error}.", "Make it, then run this command again."
        ) from error


def _user_units() -> Path:
    """The folder of a user's units, systemd.unit(5)."""
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(configured) if configured else Path.home() / ".config") / "systemd/user"
