//! The configuration of a media node: schema, defaults, loading, errors.
