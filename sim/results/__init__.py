"""What all results share: they are saved and loaded, compared by content, and shown as tables in notebooks."""
