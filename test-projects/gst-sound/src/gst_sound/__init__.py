import sys
from array import array
from pathlib import Path
from tempfile import TemporaryDirectory

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

RATE = 44_100


def main() -> None:
    Gst.init(None)
    if len(sys.argv) > 1:
        print(describe(decode(Path(sys.argv[1]))))
        return
    with TemporaryDirectory() as directory:
        path = Path(directory, "tone.ogg")
        run(f"audiotestsrc num-buffers=100 ! audioconvert ! vorbisenc ! oggmux ! filesink location={path}")
        print(describe(decode(path)))


def decode(path: Path) -> array:
    """Return the samples of a sound, one channel of 16 bits."""
    samples = array("h")
    caps = f"audio/x-raw,format=S16LE,channels=1,rate={RATE}"
    with TemporaryDirectory() as directory:
        raw = Path(directory, "raw")
        run(f"filesrc location={path} ! decodebin ! audioconvert ! audioresample ! {caps} ! filesink location={raw}")
        samples.frombytes(raw.read_bytes())
    return samples


def describe(samples: array) -> str:
    return f"{len(samples) / RATE:.1f} s, peak {max(map(abs, samples), default=0) / 32768:.1f}"


def run(description: str) -> None:
    """Run a pipeline to its end."""
    pipeline = Gst.parse_launch(description)
    pipeline.set_state(Gst.State.PLAYING)
    kinds = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, kinds)
    pipeline.set_state(Gst.State.NULL)
    if message is None or message.type == Gst.MessageType.ERROR:
        sys.exit(message.parse_error()[0].message if message else "The pipeline does not end")
