"""A local RTSP camera on loopback, run by the system's Python, for benchmarks and tests.

    /usr/bin/python3 rtsp_camera.py PORT [--clip FILE.mp4] [--login USER PASSWORD]

Plays an H.264 clip at its own pace, or a moving ball at 12 frames/s; says "ready" when it listens.
Needs gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-{base,good,bad,ugly} and python3-gi.
"""

import argparse
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

BALL = (
    "( videotestsrc is-live=true pattern=ball"
    " ! video/x-raw,width=160,height=120,framerate=12/1"
    " ! x264enc tune=zerolatency key-int-max=12 speed-preset=ultrafast"
    " ! rtph264pay name=pay0 pt=96 config-interval=1 )"
)
CLIP = (
    '( filesrc location="{}" ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )'
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument("--clip")
    parser.add_argument("--login", nargs=2)
    given = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=given.port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(BALL if given.clip is None else CLIP.format(given.clip))
    factory.set_shared(True)
    if given.login is not None:
        _ask_for(server, factory, *given.login)
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


def _ask_for(
    server: GstRtspServer.RTSPServer,
    factory: GstRtspServer.RTSPMediaFactory,
    user: str,
    password: str,
) -> None:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_role("user")
    permissions.add_permission_for_role("user", "media.factory.access", True)
    permissions.add_permission_for_role("user", "media.factory.construct", True)
    factory.set_permissions(permissions)


if __name__ == "__main__":
    main()
