"""What QtWebEngine makes of a page over https; the binding's name is put in place of PySide6."""

import json
import os
import sys

from PySide6.QtCore import QTimer, QUrl
from PySide6.QtWebEngineWidgets import QWebEngineView
from PySide6.QtWidgets import QApplication


def web():
    application = QApplication(sys.argv)
    view = QWebEngineView()
    view.resize(400, 300)
    view.show()

    def loaded(good):
        if not good:
            print(json.dumps(["not loaded"]), flush=True)
            application.quit()
        view.page().runJavaScript("document.title + navigator.languages + document.body.innerText", told)

    def told(answer):
        print(json.dumps([answer]), flush=True)
        QTimer.singleShot(0, application.quit)

    view.loadFinished.connect(loaded)
    view.load(QUrl(os.environ["PROBE_URL"]))
    application.exec()


CHECKS = {"web": web}
