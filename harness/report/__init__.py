"""A record and its analysis in; HTML, terminal, JUnit properties, Markdown out. Never decides anything."""
