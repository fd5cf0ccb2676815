"""Render a record and its analysis as HTML, terminal text, JUnit properties or Markdown. Reports decide nothing."""
