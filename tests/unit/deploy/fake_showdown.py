"""A fake Showdown as the children of a private stack, and what tests ask of them."""

import json
import os
import signal
import time
from pathlib import Path

# `coordinator serve` answers /healthz and /api/v1/hosts; the worker registers by creating a file.
FAKE = """
import http.server, json, os, socket, sys, time
from pathlib import Path

state = Path(os.environ["SHOWDOWN_STATE_DIR"])
command = sys.argv[1:]
with (state / "commands").open("a") as log:
    log.write(json.dumps([command, {k: v for k, v in os.environ.items() if k.startswith("SHOWDOWN_")}]) + "\\n")
if command[0] == "sweep":
    raise SystemExit
if command[0] == os.environ.get("FAIL"):
    raise SystemExit("it cannot be")
if command == ["worker"]:
    (state / "host").touch()
if command[:2] == ["coordinator", "serve"]:
    if "KEEP_SECRETS" not in os.environ:
        (state / "secrets.json").write_text(json.dumps({"token": "drawn-token", "secret_key": "drawn-key"}))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            hosts = [{"online": True, "seen_at": "9999-01-01T00:00:00+00:00"}] if (state / "host").exists() else []
            body = json.dumps({"hosts": hosts}).encode()
            known = self.path == "/healthz" or self.headers["Authorization"] == "Bearer " + os.environ.get("EXPECT", "drawn-token")
            self.send_response(200 if known else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            host = self.path.removeprefix("/api/v1/hosts/").removesuffix("/enrolment")
            known = self.headers["Authorization"] == "Bearer " + os.environ.get("EXPECT", "drawn-token")
            body = json.dumps({"host": host, "token": f"token-of-{host}"}).encode()
            self.send_response(201 if known and asked == {"replace": True} else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket = socket.socket(fileno=int(command[3].removeprefix("fd://")))
    server.serve_forever()
time.sleep(60)
"""  # noqa: E501


def commands(stack):
    return [json.loads(line) for line in (stack.state_dir / "commands").read_text().splitlines()]


def until_written(stack, *wanted):
    """Every child is up before it has recorded its arguments, and a stopped one never does."""
    deadline = time.monotonic() + 60
    while not set(wanted) <= {command[-1] for command, _ in commands(stack)}:
        assert time.monotonic() < deadline, f"{commands(stack)} lacks one of {wanted}"
        time.sleep(0.01)


def alive(pids):
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def wait_for_death(child_name, up):
    """Until its parent can know: a killed process is a zombie before its last thread has ended."""
    pid, deadline = up.pids[child_name], time.monotonic() + 60
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill_and_watch(up, name):
    os.kill(up.pids[name], signal.SIGKILL)
    wait_for_death(name, up)
    return up.watch()
