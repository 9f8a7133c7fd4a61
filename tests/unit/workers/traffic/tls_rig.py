"""TLS servers for the generator's tests: a relay that decrypts in front of another server, and nginx for HTTP/2."""

import asyncio
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workers.lab.certificates import Certificate

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def server_context(certificate: Certificate, *protocols: str) -> ssl.SSLContext:
    """What a server of the tests speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.server, certificate.key)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


@contextmanager
def serving(handler: Handler, context: ssl.SSLContext | None) -> Iterator[int]:
    """Serve connections with ``handler`` in a thread; yields the port."""
    ready, ports, ends = threading.Event(), [], []

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        ends.append(lambda: loop.call_soon_threadsafe(stop.set))
        async with await asyncio.start_server(handler, "127.0.0.1", 0, ssl=context) as server:
            ports.append(server.sockets[0].getsockname()[1])
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=[serve()], daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield ports[0]
    finally:
        ends[0]()
        thread.join()


def relay_to(port: int) -> Handler:
    """Passes bytes on to a server on this port, and back."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
            writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, forth), copy(back, writer), return_exceptions=True)

    return handle


_NGINX = """\
daemon off;
master_process off;
worker_processes 1;
pid {place}/nginx.pid;
error_log {place}/nginx.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    keepalive_requests {requests};
    client_body_temp_path {place};
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {certificate.server};
        ssl_certificate_key {certificate.key};
        ssl_protocols TLSv1.3;
        default_type text/plain;
        location = /missing {{ return 404 "{body}"; }}
        location / {{ return 200 "{body}"; }}
    }}
}}
"""


@contextmanager
def nginx(place: Path, certificate: Certificate, body: str, requests: int = 1_000_000_000) -> Iterator[int]:
    """nginx with HTTP/2 over TLS; closes each connection after so many requests. Yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = place / "nginx.conf"
    config.write_text(_NGINX.format(place=place, certificate=certificate, body=body, port=port, requests=requests))
    argv = ["nginx", "-p", str(place), "-e", str(place / "nginx.log"), "-c", str(config)]
    process = subprocess.Popen(argv)
    try:
        deadline = time.monotonic() + 20
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, (place / "nginx.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        yield port
    finally:
        process.kill()
        process.wait()
