"""From the settings to who may come to the desk, and by which address."""

import ipaddress
import secrets

from desk.admission import Rules
from desk.hosts import LOOPBACK, names_in
from desk.users_file import VARIABLE, UsersFile
from ops.errors import ConfigurationError
from ops.metrics import Metrics
from ops.settings import Settings

_LOOPBACK_NAME = "localhost"


def rules_of(settings: Settings, metrics: Metrics) -> Rules:
    """The rules of a desk. Raises ``ConfigurationError`` that names the setting and the remedy."""
    desk = settings.desk
    if desk.users_file is None and not _is_loopback(desk.host):
        raise ConfigurationError(
            f"TIDELINE_DESK__HOST {desk.host} can be reached from other machines; name the people "
            f"who may come in {VARIABLE} (see `tideline users --help`), or set 127.0.0.1"
        )
    try:
        allowed = names_in(desk.allowed_hosts)
    except ValueError as error:
        raise ConfigurationError(f"TIDELINE_DESK__ALLOWED_HOSTS: {error}") from None
    own = frozenset() if _is_wildcard(desk.host) else frozenset({desk.host.lower()})
    users = None
    if desk.users_file is not None:
        users = UsersFile(desk.users_file, refused=metrics.users_file_refused.inc)
    return Rules(users=users, hosts=LOOPBACK | own | allowed, secure_cookies=desk.secure_cookies)


def one_time_token(settings: Settings) -> str | None:
    """The token of the address that is printed; None where people have passwords instead."""
    wanted = settings.desk.one_time_login
    if wanted is None:
        wanted = settings.desk.users_file is None
    return secrets.token_urlsafe(24) if wanted else None


def address_of(settings: Settings, port: int, token: str | None) -> str:
    """Where to log in. A desk on all addresses is shown under the one of its own machine."""
    host = "127.0.0.1" if _is_wildcard(settings.desk.host) else settings.desk.host
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/login" + (f"?token={token}" if token else "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == _LOOPBACK_NAME


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return host == ""
