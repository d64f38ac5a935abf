#!/usr/bin/python3
"""
The name servers of a round, as a program: the argument (JSON) has the names, and addresses to listen at.
Says where it listens; each line on standard input is the number of a server, from 0, and its mood.
"""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../e2e")]

from harness.dns import Dns  # noqa: E402


def main():
    spec = json.loads(sys.argv[1])
    servers = [Dns(spec["names"], host=host, port=port) for host, port in spec["listen"]]
    print(json.dumps([server.address for server in servers]), flush=True)
    for line in sys.stdin:
        number, mood = line.split()
        servers[int(number)].mood = mood


if __name__ == "__main__":
    main()
