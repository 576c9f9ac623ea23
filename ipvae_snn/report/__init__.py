"""Reports: a document of tables and pictures, rendered for a terminal, Markdown or JSON."""
