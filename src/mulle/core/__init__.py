"""The ground: page, schema, work, registry, figure, check, errors. It knows no framework."""
