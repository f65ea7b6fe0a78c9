import sys

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QLabel


def main():
    application = QApplication(sys.argv)
    application.setDesktopFileName("qt-window")
    label = QLabel("Hello from an AppImage")
    label.resize(400, 100)
    label.show()

    def report():
        print(application.platformName(), label.isVisible(), flush=True)
        application.quit()

    if "--once" in sys.argv:
        QTimer.singleShot(300, report)
    sys.exit(application.exec())
