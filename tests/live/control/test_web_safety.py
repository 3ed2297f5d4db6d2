"""What the web server refuses: strangers, other sites' pages, what is too large, too many or too
slow. All of it is counted, and takes no memory for long.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from helpers.web_studio import WebStudio
from rtmss.config import UserError
from rtmss.live.control.osc.codec import message
from rtmss.live.control.pairing import (
    LOCKED_SECONDS,
    MAX_BAD_TOKENS,
    TOKEN_FILE,
    Level,
    Pairing,
    load_token,
)
from rtmss.live.control.web import connections, server
from rtmss.live.control.web.guard import Guard
from rtmss.live.control.web.links import page_link
from rtmss.live.control.web.mixer_space import MixerSpace
from rtmss.live.control.web.server import WebServer

TOKEN = "a-token-of-these-tests"
SPOILT = (b"", b"\xff\xfe", b"short", b"two words here, or more", b"x" * 5000)
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebStudio]:
    studio = WebStudio(tmp_path_factory.mktemp("web"), TOKEN)
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def open_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebStudio]:
    """One that wants no token."""
    studio = WebStudio(tmp_path_factory.mktemp("open"))
    yield studio
    studio.close()


@pytest.fixture(autouse=True)
def _no_tries(studio: WebStudio) -> None:
    pairing(studio)._tries.clear()


def pairing(studio: WebStudio) -> Pairing:
    assert studio.web.guard.pairing is not None
    return studio.web.guard.pairing


def cookie(token: str) -> dict[str, str]:
    return {"Cookie": f"other=1; rtmss={token}"}


def status_of(open_socket: Callable[[], Any]) -> int:
    with pytest.raises(InvalidStatus) as caught:
        open_socket()
    return caught.value.response.status_code


def test_without_a_token_there_is_nothing(studio: WebStudio) -> None:
    before = studio.n_refused()
    for path in ("/", "/rtmss/preset", "/?HOST_INFO", "/page/", "/page/main.js", "/page/waveform"):
        assert studio.ask(path)[0] == 401, path
    assert status_of(studio.socket) == status_of(lambda: studio.socket("/meters")) == 403
    studio.until(lambda: studio.n_refused() == before + 8)


def test_the_link_pairs_a_browser_for_good(studio: WebStudio) -> None:
    link = page_link("127.0.0.1", studio.web.port, TOKEN).removeprefix(studio.url)
    status, headers, body = studio.get(link, HTML)
    assert status == 200 and b"url=/page/" in body and TOKEN.encode() not in body
    given = next(line for line in headers.splitlines() if line.lower().startswith("set-cookie"))
    for part in (f"rtmss={TOKEN}", "HttpOnly", "SameSite=strict", "Path=/", "Max-Age="):
        assert part in given
    assert studio.ask("/", cookie(TOKEN))[0] == 200
    assert studio.ask("/", {"Authorization": f"Bearer {TOKEN}"})[0] == 200
    with studio.socket(additional_headers=cookie(TOKEN)) as client:
        client.say("/rtmss/ping")
        client.until(("/rtmss/pong",))


def test_the_token_for_looking_shows_levels_and_nothing_else(studio: WebStudio) -> None:
    before, view = studio.n_refused(), cookie(pairing(studio).view_token)
    assert studio.ask("/page/view.html", view)[0] == 200
    assert (
        b"url=/page/view.html"
        in studio.get(f"/page/view.html?token={pairing(studio).view_token}")[2]
    )
    for path in ("/", "/page/main.js", "/page/waveform"):
        assert studio.ask(path, view)[0] == 401, path
    assert status_of(lambda: studio.socket(additional_headers=view)) == 403
    with studio.socket("/meters", additional_headers=view) as client:
        client.say("/rtmss/panic")
        client.until(("/rtmss/meter/drums/peak",))
        studio.until(lambda: studio.n_refused() == before + 5)
        assert not studio.shared.panic


def test_a_hundred_bad_tokens_are_counted_and_lock_their_sender_out(studio: WebStudio) -> None:
    before = pairing(studio).n_bad, studio.n_refused()
    for number in range(100):
        assert studio.ask("/", cookie(f"guess-{number}"))[0] == 401
    assert pairing(studio).n_bad == before[0] + 100
    studio.until(lambda: studio.n_refused() == before[1] + 100)
    assert studio.ask("/", cookie(TOKEN))[0] == 401, "locked out for a while"


def test_a_lock_ends_and_others_are_not_locked_out() -> None:
    guard = Pairing(TOKEN)
    for _ in range(MAX_BAD_TOKENS):
        assert guard.try_token("wrong", "192.0.2.9", 0.0) is Level.NOTHING
    assert guard.try_token(TOKEN, "192.0.2.9", 1.0) is Level.NOTHING
    assert guard.try_token(TOKEN, "192.0.2.8", 1.0) is Level.CONTROL
    assert guard.try_token(TOKEN, "192.0.2.9", LOCKED_SECONDS + 1) is Level.CONTROL
    assert guard.try_token("\N{SNOWMAN}", "192.0.2.8", 1.0) is Level.NOTHING


def test_hosts_with_bad_tokens_are_remembered_up_to_a_number() -> None:
    guard = Pairing(TOKEN)
    for number in range(1000):
        guard.try_token("wrong", f"192.0.{number // 250}.{number % 250 + 1}", 0.0)
    assert len(guard._tries) <= 256


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9471", "192.0.2.1:9471", "", "[::1", "localhost.evil"]
)
def test_a_name_that_was_made_to_lead_here_is_refused(open_studio: WebStudio, host: str) -> None:
    assert open_studio.ask("/", {"Host": host})[0] == 403
    assert open_studio.ask("/page/", {"Host": host})[0] == 403


@pytest.mark.parametrize("host", ["localhost:9471", "127.0.0.1", "[::1]:9471", "LOCALHOST"])
def test_this_machine_has_names(open_studio: WebStudio, host: str) -> None:
    assert open_studio.ask("/", {"Host": host})[0] == 200


def test_beyond_this_machine_addresses_and_its_own_names_are_taken() -> None:
    guard = Guard("0.0.0.0", TOKEN)
    for host in ("192.0.2.1:9471", "[fe80::1]:9471", f"{socket.gethostname()}:9471", "localhost"):
        assert guard.is_own(host), host
    for host in ("evil.example:9471", "", "a b"):
        assert not guard.is_own(host), host


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://["]
)
def test_a_page_of_another_site_is_refused(open_studio: WebStudio, origin: str) -> None:
    before = open_studio.n_refused()
    assert open_studio.ask("/", {"Origin": origin})[0] == 403
    assert status_of(lambda: open_studio.socket(additional_headers={"Origin": origin})) == 403
    open_studio.until(lambda: open_studio.n_refused() == before + 2)
    assert open_studio.ask("/", {"Origin": open_studio.url})[0] == 200


def test_every_answer_is_for_this_site_alone(open_studio: WebStudio) -> None:
    for path in ("/page/", "/page/main.js", "/", "/nowhere"):
        headers = open_studio.get(path)[1].lower()
        assert "content-security-policy: default-src 'none'; script-src 'self'" in headers
        assert "frame-ancestors 'none'" in headers and "nosniff" in headers
        assert "access-control-allow-origin" not in headers
    page = open_studio.get("/page/")[2].decode()
    assert "<script>" not in page and "style=" not in page and "http" not in page


def test_files_beside_the_page_are_not_served(open_studio: WebStudio) -> None:
    for path in ("/page/../app.py", "/page/..%2fapp.py", "/page/%2e%2e/guard.py", "/page/no.html"):
        assert open_studio.ask(path)[0] == 404, path


def test_a_frame_of_a_megabyte_ends_its_connection_alone(open_studio: WebStudio) -> None:
    memory = psutil.Process(os.getpid()).memory_info
    with open_studio.socket() as other:
        before = memory().rss
        for _ in range(20):
            with open_studio.socket() as client, pytest.raises(ConnectionClosed) as caught:
                client.connection.send(bytes(1 << 20))
                client.hear(5)
            assert caught.value.rcvd is None or caught.value.rcvd.code == 1009
        other.say("/rtmss/ping")
        other.until(("/rtmss/pong",))
    assert memory().rss - before < 16 << 20


def test_what_is_posted_is_not_read(open_studio: WebStudio) -> None:
    with socket.create_connection(("127.0.0.1", open_studio.web.port)) as sock:
        sock.settimeout(5)
        sock.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 405")


def test_a_head_without_end_is_refused(open_studio: WebStudio) -> None:
    with socket.create_connection(("127.0.0.1", open_studio.web.port)) as sock:
        sock.settimeout(5)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000)
        assert sock.recv(1000).startswith(b"HTTP/1.1 4")


@pytest.mark.slow
def test_half_open_connections_end_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HTTP_SECONDS", 0.5)
    studio = WebStudio(tmp_path)
    sockets = [socket.create_connection(("127.0.0.1", studio.web.port)) for _ in range(20)]
    try:
        for sock in sockets[::2]:
            sock.sendall(b"GET / HTTP/1.1\r\nHo")
        for sock in sockets:
            sock.settimeout(5)
            with pytest.raises(ConnectionResetError):
                assert sock.recv(1) == b""
                raise ConnectionResetError
        with studio.socket() as client:  # one that has become a WebSocket stays
            time.sleep(0.7)
            client.say("/rtmss/ping")
            client.until(("/rtmss/pong",))
    finally:
        for sock in sockets:
            sock.close()
        studio.close()


@pytest.mark.slow
@pytest.mark.parametrize("n_sockets", [80, pytest.param(500, marks=pytest.mark.long)])
def test_more_websockets_than_there_is_room_for(open_studio: WebStudio, n_sockets: int) -> None:
    """Those of the same host make room for each other, and one of them is served to the end."""
    before, memory = open_studio.n_refused(), psutil.Process(os.getpid()).memory_info().rss
    clients = []
    for _ in range(n_sockets):
        clients.append(open_studio.socket())
        clients[-1].say("/rtmss/subscribe")
    clients[-1].say("/rtmss/ping")
    clients[-1].until(("/rtmss/pong",))
    assert len(open_studio.server._connections) <= 64
    for client in clients:
        client.close()
    open_studio.until(lambda: not open_studio.server._connections)
    assert open_studio.n_refused() - before >= n_sockets - 64
    grown = psutil.Process(os.getpid()).memory_info().rss - memory
    print(f"{n_sockets} WebSockets, both ends: {grown / 2**20:.1f} MiB more")
    assert grown < 64 << 20


def test_more_connections_than_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 16)
    studio = WebStudio(tmp_path)
    sockets = [socket.create_connection(("127.0.0.1", studio.web.port)) for _ in range(60)]
    try:
        studio.until(lambda: studio.n_refused() >= 44)
        for sock in sockets:
            sock.close()
        studio.until(lambda: studio.ask()[0] == 200)
    finally:
        studio.close()


def test_whoever_does_not_read_is_dropped(open_studio: WebStudio) -> None:
    """While others are served."""
    with socket.socket() as sock, open_studio.socket() as other:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", open_studio.web.port))
        sock.sendall(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        open_studio.until(lambda: len(open_studio.server._connections) == 2)
        question = message("/rtmss/ping", "x" * 60_000)  # answers that nobody takes
        sock.settimeout(5)
        with contextlib.suppress(OSError):
            for _ in range(40):
                sock.sendall(Frame(Opcode.BINARY, question).serialize(mask=True))
        open_studio.until(lambda: len(open_studio.server._connections) == 1)
        other.say("/rtmss/ping")
        other.until(("/rtmss/pong",))


def test_the_token_is_kept_for_its_user_alone(tmp_path: Path) -> None:
    token = load_token(tmp_path / "library")
    assert len(token) >= 20 and load_token(tmp_path / "library") == token
    mode = (tmp_path / "library" / "web-token").stat().st_mode
    assert mode & 0o077 == 0 or os.name != "posix"


def test_a_thread_that_has_ended_is_started_again(tmp_path: Path) -> None:
    studio = WebStudio(tmp_path)
    try:
        studio.until(lambda: studio.ask()[0] == 200)
        assert studio.web._server is not None
        studio.web._server.should_exit = True
        first = studio.web._thread
        studio.until(lambda: studio.web._thread is not first)
        studio.until(lambda: studio.ask()[0] == 200)
    finally:
        studio.close()


def test_beyond_this_machine_there_is_a_code_and_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced: list[tuple[list[str], int, int | None]] = []

    class Silent:
        def __init__(self, addresses: list[str], web_port: int, osc_port: int | None) -> None:
            announced.append((addresses, web_port, osc_port))

        def close(self) -> None:
            announced.append(([], 0, 0))

    monkeypatch.setattr(server, "Announcer", Silent)
    monkeypatch.setattr(server, "addresses", lambda _: ["192.0.2.7"])
    studio = WebStudio(tmp_path, TOKEN, host="0.0.0.0")
    try:
        assert f"token={TOKEN}" in studio.web.describe()
        assert "▀" in studio.web.card() and pairing(studio).view_token in studio.web.card()
        assert studio.ask("/", {"Host": f"{socket.gethostname()}:1"})[0] == 401
        assert studio.ask("/", cookie(TOKEN))[0] == 200
    finally:
        studio.close()
    assert announced == [(["192.0.2.7"], studio.web.port, None), ([], 0, 0)]


def test_a_port_that_is_taken_is_said(open_studio: WebStudio) -> None:
    space = MixerSpace(open_studio.server)
    with pytest.raises(UserError, match=r"taken.*--web-port"):
        WebServer(open_studio.server, space, "127.0.0.1", open_studio.web.port)


@pytest.mark.parametrize("spoilt", SPOILT, ids=len)
def test_a_spoilt_token_is_made_again(tmp_path: Path, spoilt: bytes) -> None:
    (tmp_path / TOKEN_FILE).write_bytes(spoilt)
    token = load_token(tmp_path)
    assert len(token) >= 16
    assert load_token(tmp_path) == token


def test_a_pipe_in_the_place_of_the_token_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / TOKEN_FILE)
    assert load_token(tmp_path) == load_token(tmp_path)
