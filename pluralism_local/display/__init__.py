"""How values look to people: figures on one line, text inside a Markdown document, text inside an HTML page."""
