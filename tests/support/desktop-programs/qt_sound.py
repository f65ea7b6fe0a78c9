"""What QtMultimedia makes of a sound file; the binding's name is put in place of PySide6."""

import json
import os
import sys

from PySide6.QtCore import QCoreApplication, QUrl
from PySide6.QtMultimedia import QAudioDecoder


def sound():
    application = QCoreApplication(sys.argv)
    decoder = QAudioDecoder()
    frames = []

    def end(*error):
        print(json.dumps([sum(frames), decoder.errorString()]), flush=True)
        application.quit()

    decoder.bufferReady.connect(lambda: frames.append(decoder.read().frameCount()))
    decoder.finished.connect(end)
    signal = decoder.error
    getattr(signal, "connect", lambda _: None)(end)
    if hasattr(decoder, "setSourceFilename"):
        decoder.setSourceFilename(os.environ["PROBE_SOUND"])
    else:
        decoder.setSource(QUrl.fromLocalFile(os.environ["PROBE_SOUND"]))
    decoder.start()
    application.exec()


CHECKS = {"sound": sound}
