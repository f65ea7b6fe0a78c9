"""Serve a greeting as JSON."""

import argparse
import platform
import sys

from flask import Flask, jsonify
from werkzeug.serving import make_server

from flask_app import __version__

app = Flask(__name__)


@app.get("/")
def greeting():
    return jsonify(message="Hello from an AppImage", python=platform.python_version(), executable=sys.executable)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 for any free one (default: %(default)s)")
    arguments = parser.parse_args()
    server = make_server(arguments.host, arguments.port, app, threaded=True)
    try:
        print(f"Serving on http://{arguments.host}:{server.port}/ (Ctrl-C stops)", flush=True)
        server.serve_forever()
    except KeyboardInterrupt:
        print("Stopped")
