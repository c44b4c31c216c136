//! Plans, permissions and rate limits.
