"""Where commands write: console, files, pictures, report folders."""
