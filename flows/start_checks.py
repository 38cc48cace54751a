"""What must be so before `make up` starts anything: free ports, and passwords where others can reach the servers."""

import ipaddress
import os
import socket
from contextlib import suppress

import psutil

from storage.settings import Settings

PREFECT_SECRET = "PREFECT_SERVER_API_AUTH_STRING"
MLFLOW_USER, MLFLOW_PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
_SHORTEST_PASSWORD = 12  # MLflow's own rule


class CannotStart(Exception):
    """Something stands in the way of a start; the message says what, and what to do."""


def require_free_ports(settings: Settings) -> None:
    """Raise CannotStart when something listens on a port that the servers are to have."""
    ports = {"prefect": settings.prefect_port} | ({} if settings.mlflow else {"mlflow": settings.mlflow_port})
    if len(set(ports.values())) < len(ports):
        raise CannotStart(
            f"Prefect and MLflow are both to have port {settings.prefect_port}; "
            "set NEUROLAKE_PREFECT_PORT or NEUROLAKE_MLFLOW_PORT to another"
        )
    for name, port in ports.items():
        require_free_port(settings.host, port, name)


def require_free_port(host: str, port: int, name: str) -> None:
    """Raise CannotStart when something listens there already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotStart(
                f"port {port} of {host}, for {name}, is taken{_by(port)} ({error.strerror}); "
                f"set NEUROLAKE_{name.upper()}_PORT to a free one, or stop what listens there"
            ) from None


def require_safe_address(settings: Settings) -> None:
    """Raise CannotStart when the servers would be open to others without a password."""
    wanted = {PREFECT_SECRET: "user:password"}
    if settings.mlflow is None:
        wanted |= {MLFLOW_USER: "a name", MLFLOW_PASSWORD: f"at least {_SHORTEST_PASSWORD} characters"}
    given = [name for name in wanted if os.environ.get(name)]
    missing = [name for name in wanted if name not in given]
    if missing and not is_loopback(settings.host):
        named = ", ".join(f"{name} ({wanted[name]})" for name in missing)
        raise CannotStart(f"NEUROLAKE_HOST is {settings.host}, which others can reach: set {named} first")
    if len({MLFLOW_USER, MLFLOW_PASSWORD} & set(given)) == 1:
        raise CannotStart(f"set both {MLFLOW_USER} and {MLFLOW_PASSWORD}, or neither")
    if PREFECT_SECRET in given and ":" not in os.environ[PREFECT_SECRET]:
        raise CannotStart(f"{PREFECT_SECRET} must be user:password")
    if MLFLOW_PASSWORD in wanted and 0 < len(os.environ.get(MLFLOW_PASSWORD, "")) < _SHORTEST_PASSWORD:
        raise CannotStart(f"{MLFLOW_PASSWORD} must have at least {_SHORTEST_PASSWORD} characters")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _by(port: int) -> str:
    # Whose it is may be hidden from us; that it is taken is what matters.
    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()}, process {connection.pid}"
    return ""
