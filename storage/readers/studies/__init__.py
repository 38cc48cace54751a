"""Tables and recordings of single studies."""
