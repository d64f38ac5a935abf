"""nginx as a TLS front for servers on loopback."""

import os
import pathlib
import shutil
import socket
import subprocess

from . import process
from .wait import Timeout, wait_until

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
	access_log off;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	ssl_session_cache off;
{servers}
}}
"""

# The first part of the path is the port to pass on to.
SERVER = """
	server {{
		listen 127.0.0.1:{port} ssl;
		ssl_certificate {certificate};
		ssl_certificate_key {key};
		{extra}
		location ~ ^/(?<upstream>[0-9]+)(?<rest>/.*)$ {{
			proxy_pass http://127.0.0.1:$upstream$rest$is_args$args;
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection "upgrade";
			proxy_set_header Host $http_host;
			proxy_set_header X-Tls-Version $ssl_protocol;
			proxy_set_header X-Tls-Name $ssl_server_name;
			proxy_set_header X-Client $ssl_client_s_dn;
		}}
	}}
"""

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


class Nginx:
    """`servers`: name -> (certificate, key, further directives). `ports` has where each listens."""

    def __init__(self, folder, servers):
        self.folder = pathlib.Path(folder)
        for _ in range(5):
            self.ports = {name: _free_port() for name in servers}
            if self._start(servers):
                return
        raise Timeout("nginx did not start: " + (self.folder / "error.log").read_text())

    def _start(self, servers):
        text = "".join(
            SERVER.format(port=self.ports[name], certificate=certificate, key=key, extra=extra)
            for name, (certificate, key, extra) in servers.items()
        )
        configuration = self.folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(folder=self.folder, servers=text))
        self.process = process.start(
            [NGINX, "-p", str(self.folder), "-c", str(configuration), "-e", "stderr"],
            stderr=subprocess.DEVNULL,
            env=dict(os.environ),
        )
        wait_until(lambda: self.process.poll() is not None or self._listens(), what="nginx")
        return self.process.poll() is None

    def _listens(self):
        try:
            for port in self.ports.values():
                socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            return False
        return True

    def url(self, server, port, path="/", host="localhost"):
        """Where the front `server` passes `path` on to the server at `port`."""
        return f"wss://{host}:{self.ports[server]}/{port}{path}"

    def stop(self):
        process.end(self.process)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
