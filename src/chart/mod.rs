//! Charts: loading, metadata, dependencies, values, schema. Knows no cluster, network or clock.
