"""What the pipelines write that labs use."""
