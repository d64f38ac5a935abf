"""Message brokers that speak WebSocket: mosquitto (MQTT) and nats-server."""

import pathlib
import shutil
import subprocess

from . import process
from .ports import start_listening


class Broker:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.ports = None
        self.start()

    def start(self):
        """Starts it, where it was before if it has been stopped."""
        self.process, self.ports = start_listening(
            2, self.command, self.ports, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def command(self, websocket_port, plain_port):
        """The program on two ports, the second without WebSocket."""
        raise NotImplementedError

    def url(self):
        return f"ws://127.0.0.1:{self.ports[0]}/"

    def stop(self):
        process.end(self.process)


class Mosquitto(Broker):
    def command(self, websocket_port, plain_port):
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text(
            f"listener {websocket_port} 127.0.0.1\nprotocol websockets\n"
            f"listener {plain_port} 127.0.0.1\n"
            "allow_anonymous true\npersistence false\nuser root\n"
        )
        return [shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", str(configuration)]


class Nats(Broker):
    """`websocket`: more settings of its WebSocket listener."""

    def __init__(self, folder, websocket=""):
        self.websocket = websocket
        super().__init__(folder)

    def command(self, websocket_port, plain_port):
        configuration = self.folder / "nats.conf"
        configuration.write_text(
            f'listen: "127.0.0.1:{plain_port}"\n'
            f'websocket {{ listen: "127.0.0.1:{websocket_port}", no_tls: true\n{self.websocket} }}\n'
        )
        return [shutil.which("nats-server") or "/usr/sbin/nats-server", "-c", str(configuration)]
