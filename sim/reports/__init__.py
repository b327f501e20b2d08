"""Reports: what people read of results. Texts, tables and pictures, as functions of results and histories."""
