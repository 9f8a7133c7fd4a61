"""Pictures of every page for the documents, from the results of one small campaign that was measured and kept.

``make pictures`` draws them, and looks for barriers with axe-core meanwhile. ``--check`` compares each page with the
one in its picture, without a browser: docs/images/pictures.json has the hash of what the page was made of.
"""
