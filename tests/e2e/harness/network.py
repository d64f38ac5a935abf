"""A small network in namespaces, and what can happen to it."""

import socket
import struct

from .namespace import Namespace
from .wait import wait_until

NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE = 1, 2
NETLINK_NETFILTER = 12
NLM_F_REQUEST, NLM_F_ACK = 1, 4

# Addresses of IPv6 are ready at once; all machines could be routers.
SYSCTLS = """
cd /proc/sys/net
for each in all default; do
    echo 0 >ipv6/conf/$each/disable_ipv6
    echo 0 >ipv6/conf/$each/accept_dad
done
echo 1 >ipv4/ip_forward
echo 1 >ipv6/conf/all/forwarding
"""

FAULTS = """
table inet faults {
    chain from_host { type filter hook prerouting priority raw; }
    chain rejected { type filter hook forward priority filter; }
    chain to_host { type filter hook postrouting priority 300; }
}
"""

NAT = """
table inet nat {
    chain translate { type nat hook postrouting priority srcnat; oifname "outside" masquerade; }
    chain known { type filter hook forward priority filter; ct state invalid drop; }
}
"""


class Network:
    """
    Three machines in a row, with addresses of their own world:

        host                       router                        server
        eth0                       inside | outside              eth0
        10.77.0.2, fd77::2         10.77.0.1, fd77::1            10.78.0.2, fd78::2
        fe80::2                    fe80::1 | 10.78.0.1, fd78::1

    The daemon is for `host`: start_daemon(…, wrapper=network.host.command). Servers are for `server`:
    make_server(namespace=network.server, host=network.SERVER), with as many addresses as
    add_address() gives it. `etc` is that of the host.
    """

    HOST, HOST6 = "10.77.0.2", "fd77::2"
    ROUTER, ROUTER6, ROUTER_LOCAL = "10.77.0.1", "fd77::1", "fe80::1"
    ROUTER_OUTSIDE = "10.78.0.1"
    SERVER, SERVER6 = "10.78.0.2", "fd78::2"

    def __init__(self, etc=None):
        self.machines = []
        try:
            self.host = self._machine(etc=etc)
            self.router = self._machine(user=self.host)
            self.server = self._machine(user=self.host)
            self._wire()
        except BaseException:
            self.close()
            raise

    def _machine(self, **options):
        machine = Namespace(**options)
        self.machines.append(machine)
        return machine

    def _wire(self):
        for machine in self.machines:
            machine.shell(SYSCTLS)
        for name, machine in ("inside", self.host), ("outside", self.server):
            self.router.ip(f"link add name {name} type veth peer name eth0 netns {machine.keeper.pid}")
        self.host_address = self.HOST
        self.router.ip("""
            link set outside up
            address add 10.78.0.1/24 dev outside
            address add fd78::1/64 dev outside
        """)
        self.plug()
        self.up()
        self.server.ip(f"""
            link set eth0 up
            address add {self.SERVER}/24 dev eth0
            address add {self.SERVER6}/64 dev eth0
            route add default via 10.78.0.1
            route add default via fd78::1
        """)
        self.router.nft(FAULTS)

    def close(self):
        for machine in reversed(self.machines):
            machine.close()

    # Addresses, links and routes.

    def add_address(self, address):
        """One more address of the server: 10.78.0.…, fd78::…"""
        self.server.ip(f"address add {address}/{64 if ':' in address else 24} dev eth0")

    def up(self):
        """The host's interface is up, and configured."""
        self.host.ip(f"""
            link set eth0 up
            address replace {self.host_address}/24 dev eth0
            address replace {self.HOST6}/64 dev eth0
            address replace fe80::2/64 dev eth0
        """)
        self.add_routes()

    def down(self):
        """The host's interface is down: addresses of IPv6 and all routes are gone."""
        self.host.ip("link set eth0 down")

    def add_routes(self):
        self.host.ip(f"""
            route replace default via {self.ROUTER}
            route replace default via {self.ROUTER6}
        """)

    def remove_routes(self):
        self.host.ip(f"""
            route delete default via {self.ROUTER}
            route delete default via {self.ROUTER6}
        """)

    def plug(self):
        """The host's cable is connected."""
        self.router.ip(f"""
            link set inside up
            address replace {self.ROUTER}/24 dev inside
            address replace {self.ROUTER6}/64 dev inside
            address replace {self.ROUTER_LOCAL}/64 dev inside
        """)
        self._wait_carrier(True)

    def unplug(self):
        """The host's interface loses its carrier, but no addresses or routes."""
        self.router.ip("link set inside down")
        self._wait_carrier(False)

    def _wait_carrier(self, there):
        """The kernel tells of it with a delay of up to a second, or not at all if it is back before."""
        lost = "NO-CARRIER"
        wait_until(lambda: (lost not in self.host.run("ip", "link", "show", "eth0")) == there, what="the carrier")

    def move(self, address):
        """The host has another address than before: 10.77.0.…"""
        self.host.ip(f"address delete {self.host_address}/24 dev eth0")
        self.host_address = address
        self.up()

    # The line.

    def slow(self, rate, towards="both"):
        """The host's line carries so much: "40kbit", also towards the "server" or the "host" only."""
        for machine, interface in self._ends(towards):
            machine.run("tc", "qdisc", "replace", "dev", interface, "root", "tbf", "rate", rate, "burst", "3100",
                        "limit", 4 << 20)

    def fast(self, towards="both"):
        for machine, interface in self._ends(towards):
            machine.run("tc", "qdisc", "delete", "dev", interface, "root")

    def _ends(self, towards):
        ends = {"server": (self.host, "eth0"), "host": (self.router, "inside")}
        return ends.values() if towards == "both" else [ends[towards]]

    def drop(self, match="", towards="both"):
        """What fits a match of nft(8) is lost without a trace, until heal(): "", "udp dport 53", "ip daddr 10.78.0.2"."""
        if towards in ("server", "both"):
            self.router.nft(f'add rule inet faults from_host iifname "inside" {match} drop')
        if towards in ("host", "both"):
            self.router.nft(f'add rule inet faults to_host oifname "inside" {match} drop')

    def reject(self, match="", how="icmpx type admin-prohibited"):
        """The router answers the host with ICMP, or "tcp reset", until heal()."""
        if how == "tcp reset":
            match += " meta l4proto tcp"
        self.router.nft(f'add rule inet faults rejected iifname "inside" {match} reject with {how}')

    def heal(self):
        for chain in ("from_host", "rejected", "to_host"):
            self.router.nft(f"flush chain inet faults {chain}")

    # The router translates addresses.

    def translate(self):
        """From now on; what it does not know, it drops."""
        self.router.nft(NAT)
        self.router.shell("echo 0 >/proc/sys/net/netfilter/nf_conntrack_tcp_loose")

    def forget(self):
        """Like a router that was restarted, or whose table was full: open connections are silent for ever."""
        message = struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)
        kind = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE
        header = struct.pack("=IHHII", 16 + len(message), kind, NLM_F_REQUEST | NLM_F_ACK, 1, 0)
        with self.router.open(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
            netlink.send(header + message)
            (error,) = struct.unpack_from("=i", netlink.recv(4096), 16)
        if error:
            raise OSError(-error, "cannot flush the table of connections")
