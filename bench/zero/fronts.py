"""Who stands before the application: nobody, the team's own nginx that knows nothing of releases, or one that sends the users itself.

The lines are those of docs/how-to/zero-downtime.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.shop import free_port

_COMPOSE = """services:
  front:
    image: {image}
    ports: {ports}
    volumes: ["./front:{inside}"]
{{web}}"""
ALONE = """services:
{{web}}    ports: ["127.0.0.1:{port}:8000"]
"""
_SEND = """\
        proxy_http_version 1.1;
        proxy_set_header Host $host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        proxy_buffering off;
"""
_UPGRADE = "map $http_upgrade $connection_upgrade { default upgrade; '' close; }\n"
_SITE = f"""{_UPGRADE}server {{
    listen 80;
    resolver 127.0.0.11 valid=1s;  # whoever scales up and down needs a proxy that looks names up again
    set $web web:8000;
    location / {{
        proxy_pass http://$web;
{_SEND}    }}
}}
"""
_TOLD_SITE = f"""{_UPGRADE}include /etc/nginx/conf.d/runwright/*.conf;
server {{
    listen 80;
    location / {{
        proxy_pass http://$runwright_web;
{_SEND}    }}
}}
server {{
    listen 8091;
    location = /runwright/web {{ return 200 "$runwright_web_told"; }}
}}
"""
_TOLD = """upstream web-live { server web:8000; }
split_clients $request_id $runwright_web { * web-live; }
map $request_id $runwright_web_told { default ""; }
"""
_HAPROXY = """global
    stats socket /usr/local/etc/haproxy/runwright/admin.sock mode 660 level admin
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
resolvers docker
    nameserver dns 127.0.0.11:53
    hold valid 1s
frontend in
    bind :80
    http-request set-var(txn.web) str(web),map_str(/usr/local/etc/haproxy/runwright/web.map)
    http-request set-var(txn.web_share) var(txn.web),field(2,/)
    use_backend %[var(txn.web),field(1,/)] if { var(txn.web) -m found } { rand(100),sub(txn.web_share) -m int lt 0 }
    use_backend %[var(txn.web),field(3,/)] if { var(txn.web) -m found }
    default_backend web
backend web
    server app web:8000 resolvers docker init-addr libc,none
backend web-blue
    server-template app 10 web-blue:8000 check inter 500 resolvers docker init-addr libc,none
backend web-green
    server-template app 10 web-green:8000 check inter 500 resolvers docker init-addr libc,none
"""
_INSIDE = {"nginx:1": "/etc/nginx/conf.d", "haproxy:2": "/usr/local/etc/haproxy"}


@dataclass(frozen=True)
class Front:
    """What stands before. files: in the folder ``front`` of the repository. router: what the runbook says of it, with {front}
    for its folder; the switch of ours where it says nothing."""

    name: str
    image: str = ""
    files: dict[str, str] = field(default_factory=dict)
    router: str = "{{kind: caddy}}"
    told: int = field(default_factory=free_port)

    @property
    def own(self) -> bool:
        """Whether it sends the users itself."""
        return "kind: caddy" not in self.router

    def compose(self, port: int) -> str:
        """Return the Compose file around the application, for {web}."""
        if not self.image:
            return ALONE.format(port=port)
        ports = [f"127.0.0.1:{port}:80", *([f"127.0.0.1:{self.told}:8091"] if "told" in self.router else [])]
        listed = "[" + ", ".join(f'"{one}"' for one in ports) + "]"
        return _COMPOSE.format(image=self.image, ports=listed, inside=_INSIDE[self.image])

    def said(self, folder: str, project: str, url: str) -> str:
        """Return the router as the runbook says it."""
        return self.router.format(front=f"{folder}/front", project=project, url=url, told=self.told)


def nobody() -> Front:
    """Clients reach the switch itself."""
    return Front("")


def nginx() -> Front:
    """The team's nginx, which is told nothing."""
    return Front("nginx", "nginx:1", {"default.conf": _SITE})


def own_nginx() -> Front:
    """The team's nginx, which is told by a reload."""
    router = (
        "{{kind: nginx, front: '{url}', container: {project}-front-1, file: {front}/runwright/web.conf,"
        " file_inside: /etc/nginx/conf.d/runwright/web.conf, told: 'http://127.0.0.1:{told}/runwright/web'}}"
    )
    return Front("nginx", "nginx:1", {"default.conf": _TOLD_SITE, "runwright/web.conf": _TOLD}, router)


def own_haproxy() -> Front:
    """The team's HAProxy, which is told by its socket."""
    router = (
        "{{kind: haproxy, front: '{url}', container: {project}-front-1, socket: {front}/runwright/admin.sock,"
        " map: {front}/runwright/web.map, map_inside: /usr/local/etc/haproxy/runwright/web.map}}"
    )
    files = {"haproxy.cfg": _HAPROXY, "runwright/web.map": "", "runwright/.gitignore": "*.sock\n"}
    return Front("haproxy", "haproxy:2", files, router)
