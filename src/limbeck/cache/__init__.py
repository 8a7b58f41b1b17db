"""What a teacher said, kept on disk: how an answer is written, and where it lies."""
