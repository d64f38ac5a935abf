"""nginx as a front for servers on loopback: TLS, redirects, refusals."""

import os
import pathlib
import shutil
import subprocess

from . import process
from .ports import start_listening

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

# The first part of the path is the port to pass on to, or what else to answer.
SERVER = """
	server {{
		listen 127.0.0.1:{port}{tls};
		{extra}
		location ~ ^/(?<upstream>[0-9]+)(?<rest>/.*)$ {{
			proxy_pass http://127.0.0.1:$upstream$rest$is_args$args;
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection "upgrade";
			proxy_set_header Host $http_host;
			proxy_set_header X-Tls-Version $ssl_protocol;
			proxy_set_header X-Tls-Name $ssl_server_name;
			proxy_set_header X-Tls-Reused $ssl_session_reused;
			proxy_set_header X-Client $ssl_client_s_dn;
		}}
{answers}
	}}
"""
TLS = """ ssl;
		ssl_certificate {certificate};
		ssl_certificate_key {key}"""

# Redirects to the "to" of the query: just as it is there, or as nginx does by itself with a path,
# which it makes absolute with http or https.
REDIRECT = """
		location = /redirect/{status} {{ absolute_redirect off; return {status} $arg_to; }}
		location = /absolute/{status} {{ return {status} $arg_to; }}"""
ANSWERS = "".join(REDIRECT.format(status=status) for status in (301, 302, 303, 307, 308))

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


class Nginx:
    """
    `servers`: name -> (certificate, key, further directives), or only the directives for one
    without TLS. `ports` has where each listens.
    """

    def __init__(self, folder, servers):
        self.folder = pathlib.Path(folder)
        self.servers = servers
        self.ports = {}
        self.start()

    def start(self):
        """Starts it, where it was before if it has been stopped."""
        self.process, ports = start_listening(
            len(self.servers), self._command, list(self.ports.values()), stderr=subprocess.DEVNULL,
            env=dict(os.environ),
        )
        self.ports = dict(zip(self.servers, ports))

    def _command(self, *ports):
        text = "".join(map(self._server, self.servers.values(), ports))
        configuration = self.folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(folder=self.folder, servers=text))
        return [NGINX, "-p", str(self.folder), "-c", str(configuration), "-e", "stderr"]

    @staticmethod
    def _server(server, port):
        tls, extra = "", server
        if not isinstance(server, str):
            certificate, key, extra = server
            tls = TLS.format(certificate=certificate, key=key)
        return SERVER.format(port=port, tls=tls, extra=extra, answers=ANSWERS)

    def url(self, server, port, path="/", host="localhost"):
        """Where the front `server` passes `path` on to the server at `port`."""
        return self.own_url(server, f"/{port}{path}", host)

    def own_url(self, server, path, host="localhost"):
        """What the front itself answers."""
        scheme = "ws" if isinstance(self.servers[server], str) else "wss"
        return f"{scheme}://{host}:{self.ports[server]}{path}"

    def stop(self):
        process.end(self.process)
