"""Drive `rtmss live` over OSC: ask for the stems, ride a gain, switch the preset.

Usage: python osc_client.py [PORT]
"""

import sys
from contextlib import closing

from pythonosc.udp_client import SimpleUDPClient

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 9470


def wait_for(client: SimpleUDPClient, address: str) -> list[object]:
    """The arguments of the next answer on an address; answers come to the sender's own port."""
    for message in client.get_messages(timeout=5):
        if message.address == "/rtmss/fail":
            raise SystemExit(f"refused: {message.params}")
        if message.address == address:
            return list(message.params)
    raise SystemExit(f"no answer on {address}; does `rtmss live` listen on port {PORT}?")


with closing(SimpleUDPClient("127.0.0.1", PORT)) as client:
    client.send_message("/rtmss/stems", [])
    stems = wait_for(client, "/rtmss/stems")
    print("stems:", *stems)

    gain = f"/rtmss/stem/{stems[0]}/gain"
    client.send_message(gain, -6.0)
    client.send_message(gain, [])  # without arguments it is a question
    print(gain, *wait_for(client, gain))

    client.send_message("/rtmss/preset", "four-stems")
    print("plays:", *wait_for(client, "/rtmss/done"))
