"""Links to the page, as people type, open or scan them."""

from __future__ import annotations

import ipaddress
import socket

from rtmss.live.control.web.guard import is_loopback


def page_link(host: str, port: int, token: str = "", page: str = "") -> str:
    """A page's address; with a token it pairs whoever opens it."""
    place = f"http://{_shown(host)}:{port}/page/{page}"
    return f"{place}?token={token}" if token else place


def _shown(host: str) -> str:
    """A host as others reach it."""
    if host in {"0.0.0.0", "::"}:
        return own_address() or socket.gethostname()
    return f"[{host}]" if ":" in host else host


def qr_code(text: str) -> str:
    """A code for a phone's camera, in half blocks: light on a dark terminal is what cameras read
    best, so the light modules are the ones that are drawn.
    """
    import segno

    rows = [[not dark for dark in row] for row in segno.make(text, micro=False).matrix]
    width = len(rows[0]) + 2
    framed = [[True] * width, *([True, *row, True] for row in rows), [True] * width]
    framed += [[True] * width] * (len(framed) % 2)
    blocks = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}
    lines = zip(framed[::2], framed[1::2], strict=True)
    return "\n".join("".join(blocks[pair] for pair in zip(*line, strict=True)) for line in lines)


def own_address() -> str:
    """This machine's address in its network; nothing is sent to find it. Empty if there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # an address of documentation, RFC 5737
        except OSError:
            return ""
        return str(sock.getsockname()[0])


def addresses(host: str) -> list[str]:
    """The addresses to announce for a server that is bound to one; none for this machine alone."""
    if is_loopback(host):
        return []
    found = own_address() if host in {"0.0.0.0", "::"} else host
    try:
        return [str(ipaddress.ip_address(found.partition("%")[0]))]
    except ValueError:
        return []
