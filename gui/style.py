"""The window's look, made in one place from a Theme: one stylesheet, one palette, the bundled font."""

from functools import cache

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from graphreel.assets import FONT_FAMILY, font_file
from graphreel.render import DARK, LIGHT, Theme
from graphreel.render.theme import blend

SIZE = 13
"""Pixels of the window's writing."""


def system_theme() -> Theme:
    """Dark where the system's colour scheme is dark, else light."""
    dark = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark
    return DARK if dark else LIGHT


@cache
def load_fonts() -> None:
    """Give Qt the bundled font, so that writing is as wide as the width table says."""
    for weight in (400, 600):
        QFontDatabase.addApplicationFontFromData(font_file(weight))


def dress(app: QApplication, theme: Theme) -> None:
    """Put the whole application in a theme."""
    load_fonts()
    font = QFont(FONT_FAMILY)
    font.setPixelSize(SIZE)
    app.setFont(font)
    app.setPalette(palette(theme))
    app.setStyleSheet(stylesheet(theme))


def palette(theme: Theme) -> QPalette:
    """The theme's colours in Qt's roles, for what no stylesheet reaches."""
    made = QPalette()
    roles = {
        QPalette.ColorRole.Window: theme.window,
        QPalette.ColorRole.WindowText: theme.text,
        QPalette.ColorRole.Base: theme.panel,
        QPalette.ColorRole.AlternateBase: theme.raised,
        QPalette.ColorRole.Text: theme.text,
        QPalette.ColorRole.Button: theme.raised,
        QPalette.ColorRole.ButtonText: theme.text,
        QPalette.ColorRole.ToolTipBase: theme.raised,
        QPalette.ColorRole.ToolTipText: theme.text,
        QPalette.ColorRole.PlaceholderText: theme.muted,
        QPalette.ColorRole.Highlight: theme.selection,
        QPalette.ColorRole.HighlightedText: theme.text,
        QPalette.ColorRole.Link: theme.accent,
        QPalette.ColorRole.LinkVisited: theme.accent,
    }
    for role, color in roles.items():
        made.setColor(role, QColor(color))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText, QPalette.ColorRole.WindowText):
        made.setColor(QPalette.ColorGroup.Disabled, role, QColor(disabled(theme)))
    return made


@cache
def fixed_family() -> str:
    """The system's font for program text."""
    return QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family()


def disabled(theme: Theme) -> str:
    """The colour of what cannot be used now."""
    return blend(theme.muted, theme.panel, 0.5)


def stylesheet(theme: Theme) -> str:
    """Qt's style sheet for every widget of the app."""
    hover = blend(theme.text, theme.panel, 0.07)
    return f"""
* {{ outline: none; }}
QWidget {{ font-family: "{FONT_FAMILY}"; font-size: {SIZE}px; }}
#code, #details {{ font-family: "{fixed_family()}"; font-size: 12px; }}
QMainWindow, QDialog {{ background: {theme.window}; color: {theme.text}; }}
QMainWindow::separator {{ background: {theme.border}; width: 1px; height: 1px; }}
QMainWindow::separator:hover {{ background: {theme.accent}; }}
QMenuBar {{ background: {theme.panel}; color: {theme.text}; padding: 2px 6px;
  border-bottom: 1px solid {theme.border}; }}
QMenuBar::item {{ padding: 5px 10px; border-radius: 5px; background: transparent; }}
QMenuBar::item:selected {{ background: {hover}; }}
QMenu {{ background: {theme.raised}; color: {theme.text}; border: 1px solid {theme.border}; padding: 5px; }}
QMenu::item {{ padding: 6px 28px 6px 12px; border-radius: 5px; }}
QMenu::item:selected {{ background: {theme.selection}; }}
QMenu::item:disabled {{ color: {disabled(theme)}; }}
QMenu::separator {{ height: 1px; background: {theme.border}; margin: 5px 8px; }}
QMenu::icon {{ padding-left: 8px; }}
QToolBar {{ background: {theme.panel}; border: none; border-bottom: 1px solid {theme.border};
  padding: 5px 8px; spacing: 2px; }}
QToolBar::separator {{ background: {theme.border}; width: 1px; margin: 5px 7px; }}
QToolButton {{ color: {theme.text}; background: transparent; border: none; border-radius: 6px; padding: 5px; }}
QToolButton:hover {{ background: {hover}; }}
QToolButton:pressed, QToolButton:checked {{ background: {theme.selection}; }}
QToolButton:focus {{ border: 1px solid {theme.accent}; padding: 4px; }}
QDockWidget {{ color: {theme.muted}; font-size: 11px; font-weight: 600; }}
QDockWidget::title {{ background: {theme.panel}; padding: 9px 12px 6px 14px; }}
#docktitle {{ background: {theme.panel}; color: {theme.muted}; font-size: 11px; font-weight: 600;
  padding: 10px 14px 6px 14px; }}
QTreeView, QListView, QTextBrowser, QPlainTextEdit, #strip, #placeholder {{
  background: {theme.panel}; color: {theme.text}; border: none; selection-background-color: {theme.selection};
  selection-color: {theme.text}; }}
#placeholder {{ color: {theme.muted}; padding: 18px; }}
QTreeView {{ show-decoration-selected: 1; }}
QTreeView::item {{ padding: 3px 2px; border: none; }}
QListView::item {{ padding: 5px 10px; border: none; border-radius: 5px; }}
QTreeView::item:hover, QListView::item:hover {{ background: {hover}; }}
QTreeView::item:selected, QListView::item:selected {{ background: {theme.selection}; color: {theme.text}; }}
QHeaderView::section {{ background: {theme.panel}; color: {theme.muted}; border: none; padding: 4px 6px; }}
QLineEdit, QComboBox {{ background: {theme.panel}; color: {theme.text}; border: 1px solid {theme.control};
  border-radius: 6px; padding: 5px 9px; selection-background-color: {theme.selection}; selection-color: {theme.text}; }}
QLineEdit:focus, QComboBox:focus {{ border: 1px solid {theme.accent}; }}
#callers {{ border: none; border-radius: 0; border-bottom: 1px solid {theme.border}; padding: 6px 14px;
  background: {theme.panel}; }}
#callers:hover {{ background: {hover}; }}
QComboBox::drop-down {{ border: none; width: 22px; }}
QComboBox QAbstractItemView {{ background: {theme.raised}; border: 1px solid {theme.border}; padding: 4px; }}
QPushButton {{ background: {theme.raised}; color: {theme.text}; border: 1px solid {theme.control}; border-radius: 7px;
  padding: 7px 16px; }}
QPushButton:hover {{ background: {blend(theme.text, theme.raised, 0.07)}; }}
QPushButton:pressed {{ background: {theme.selection}; }}
QPushButton:focus {{ border: 1px solid {theme.accent}; }}
QPushButton#primary {{ background: {theme.accent}; color: {theme.on_accent}; border: 1px solid {theme.accent};
  font-weight: 600; }}
QPushButton#primary:hover {{ background: {blend(theme.text, theme.accent, 0.12)}; }}
QPushButton:disabled {{ color: {disabled(theme)}; border-color: {theme.border}; background: {theme.raised}; }}
#crumbs {{ background: {theme.panel}; border-bottom: 1px solid {theme.border}; }}
#crumbs QToolButton {{ padding: 2px 5px; }}
#crumbs QToolButton:focus {{ padding: 1px 4px; }}
#crumbs #behind {{ color: {theme.muted}; padding: 2px; }}
#crumbs #behind:focus {{ padding: 1px; }}
#crumbs QToolButton::menu-indicator {{ image: none; width: 0; }}
QStatusBar {{ background: {theme.panel}; color: {theme.muted}; border-top: 1px solid {theme.border}; }}
QStatusBar::item {{ border: none; }}
QStatusBar QLabel {{ color: {theme.muted}; padding: 2px 8px; }}
QProgressBar {{ background: {theme.border}; border: none; border-radius: 3px; max-height: 6px; min-height: 6px; }}
QProgressBar::chunk {{ background: {theme.accent}; border-radius: 3px; }}
QScrollBar:vertical {{ background: transparent; width: 11px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 11px; margin: 0; }}
QScrollBar::handle {{ background: {blend(theme.muted, theme.panel, 0.4)}; border-radius: 3px; margin: 3px; }}
QScrollBar::handle:vertical {{ min-height: 28px; }}
QScrollBar::handle:horizontal {{ min-width: 28px; }}
QScrollBar::handle:hover {{ background: {blend(theme.muted, theme.panel, 0.7)}; }}
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {{ background: none;
  border: none;  width: 0; height: 0; }}
QAbstractScrollArea::corner {{ background: transparent; border: none; }}
QToolTip {{ background: {theme.raised}; color: {theme.text}; border: 1px solid {theme.border}; padding: 6px 8px; }}
#message {{ background: {blend(theme.accent, theme.panel, 0.12)}; border-bottom: 1px solid {theme.border}; }}
#message[level="error"] {{ background: {blend(theme.error, theme.panel, 0.14)}; }}
#message[level="warning"] {{ background: {blend(theme.warning, theme.panel, 0.14)}; }}
#message QLabel {{ color: {theme.text}; }}
#details {{ background: {theme.panel}; border-top: 1px solid {theme.border}; padding: 8px; }}
#find, #palette {{ background: {theme.raised}; border: 1px solid {theme.border}; border-radius: 9px; }}
#find QTreeView, #find QHeaderView::section, #palette QListView {{ background: {theme.raised}; }}
#find QLabel, #hidden QLabel {{ color: {theme.muted}; }}
#find #hint {{ font-size: 12px; padding: 1px 3px; }}
#find #hint[level="error"] {{ color: {theme.error}; }}
#hidden {{ background: {theme.raised}; border: 1px solid {theme.border}; border-radius: 9px; }}
#welcome, #canvas {{ background: {theme.page}; color: {theme.text}; }}
#welcome QListView {{ background: transparent; }}
#welcome #hero {{ font-size: 26px; font-weight: 600; }}
#welcome #lead, #welcome #heading {{ color: {theme.muted}; }}
#welcome #heading, #shortcuts #heading {{ font-size: 11px; font-weight: 600; color: {theme.muted}; }}
#welcome #lead {{ font-size: 14px; }}
"""
