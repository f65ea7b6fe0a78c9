"""What Qt's widgets, printers and network do; the binding's name is put in place of PySide6."""

import json
import os
import sys

from PySide6.QtCore import QDir, QTimer, QUrl
from PySide6.QtNetwork import QNetworkAccessManager, QNetworkRequest, QSslCertificate, QSslConfiguration, QSslSocket
from PySide6.QtPrintSupport import QPrinterInfo
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)


def say(*words):
    print(json.dumps(words), flush=True)


def show(*widgets):
    window = QWidget()
    window.setWindowTitle("probe")
    layout = QVBoxLayout(window)
    for widget in widgets:
        layout.addWidget(widget)
    window.resize(400, 300)
    window.show()
    QTimer.singleShot(500, lambda: say("ready"))
    return window


def window():
    application = QApplication(sys.argv)
    box, bar, edit = QComboBox(), QProgressBar(), QLineEdit("Überschrift, naïve façade")
    box.addItems(["first", "second"])
    bar.setValue(40)
    button = QPushButton("A button")
    shown = show(QLabel("Hello: áéíóú ßøå €"), button, QCheckBox("A box"), box, bar, edit)
    button.setFocus()
    application.exec()
    del shown


def keys():
    application = QApplication(sys.argv)
    edit = QLineEdit()
    edit.textChanged.connect(lambda text: say(text))
    shown = show(edit)
    edit.setFocus()
    application.exec()
    del shown


def clipboard():
    application = QApplication(sys.argv)
    board = application.clipboard()
    shown = show(QLabel("clipboard"))
    board.setText("from the program: é")
    board.dataChanged.connect(lambda: say(board.text()))
    application.exec()
    del shown


def dialogue():
    application = QApplication(sys.argv)
    QTimer.singleShot(1500, lambda: say("ready"))
    QFileDialog.getOpenFileName(None, "Choose a file", QDir.homePath(), "Texts (*.txt)")
    del application


def printers():
    application = QApplication(sys.argv)
    say(sorted(QPrinterInfo.availablePrinterNames()), QPrinterInfo.defaultPrinterName())
    found = QPrinterInfo.printerInfo("office")
    say(found.isNull(), found.description(), found.isRemote(), found.defaultPageSize().name())
    del application


def tls():
    application = QApplication(sys.argv)
    if not QSslSocket.supportsSsl():
        sys.exit(f"Qt finds no {QSslSocket.sslLibraryBuildVersionString()}")
    say(QSslSocket.sslLibraryVersionString().split()[0])
    managers = []

    def ask(trusting):
        managers.append(QNetworkAccessManager())  # one remembers its connections and their settings
        request = QNetworkRequest(QUrl(os.environ["PROBE_URL"]))
        if trusting:
            settings = QSslConfiguration.defaultConfiguration()
            settings.setCaCertificates(QSslCertificate.fromPath(os.environ["PROBE_AUTHORITY"]))
            request.setSslConfiguration(settings)
        reply = managers[-1].get(request)
        reply.finished.connect(lambda: answer(reply, trusting))

    def answer(reply, trusting):
        say(reply.errorString(), bytes(reply.readAll()).decode())
        application.quit() if trusting else ask(trusting=True)

    ask(trusting=False)
    application.exec()


CHECKS = {
    "window": window,
    "keys": keys,
    "clipboard": clipboard,
    "dialogue": dialogue,
    "printers": printers,
    "tls": tls,
}
