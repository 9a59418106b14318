//! Helm's layer over a template engine: what templates see, and what becomes of what they print.
