"""Reports of results: texts, tables and pictures, as functions of results and histories."""
