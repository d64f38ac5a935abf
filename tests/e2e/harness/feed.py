"""The settings that tests of `frames` outlets have in common."""


def frames_feed(server, **settings):
    """A connection to the server, and an outlet, "out", with a small ring."""
    outlet = {"name": "out", "path": "out.sock", "from": ["*"], "format": "frames", "ring": "64K", **settings}
    return {"connections": [{"name": "feed", "url": server.url(), "max_message": "16K"}], "outlets": [outlet]}
