"""From fitted parts to the bundle: neutral forms, the graph builder, the writer."""
