"""The private stack's Redis: a unix socket that only its owner reaches, and one user with a password and few rights."""

import json
import os
import secrets
from pathlib import Path
from urllib.parse import quote

USER = "showdown"
KEYS = ("host.*", "tests.*")
"""Queues, and outstanding requests for trait tests."""

COMMANDS = ("ping", "select", "lpush", "brpop", "llen", "ltrim", "expire", "set", "del", "multi", "exec")
"""What coordinator and workers need. Everything else is refused: no scripts, no settings, no other keys."""


def acl_rule(user: str, password: str) -> str:
    """The line of a Redis configuration or ACL file that defines the user."""
    keys, commands = " ".join(f"~{key}" for key in KEYS), " ".join(f"+{command}" for command in COMMANDS)
    return f"user {user} on >{password} {keys} resetchannels -@all {commands}"


class PrivateRedis:
    """Its configuration in ``directory``, with a new password: nothing in it survives a start."""

    def __init__(self, directory: Path, unix_socket: Path) -> None:
        password = secrets.token_urlsafe(24)
        self.url = f"redis+socket://{USER}:{password}@{quote(str(unix_socket))}"
        config = directory / "redis.conf"
        # Not on the command line, which every user of the machine can read.
        descriptor = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(_config(directory, unix_socket, password))
        self.argv = ["redis-server", str(config)]
        self.unix_socket, self.username, self.password = unix_socket, USER, password


def _config(directory: Path, unix_socket: Path, password: str) -> str:
    """Redis carries messages only: no TCP port, no saved data. It reads a JSON string as it is."""
    return f"""\
port 0
unixsocket {json.dumps(str(unix_socket), ensure_ascii=False, allow_nan=False)}
unixsocketperm 600
save ""
appendonly no
dir {json.dumps(str(directory), ensure_ascii=False, allow_nan=False)}
loglevel warning
user default off
{acl_rule(USER, password)}
"""
