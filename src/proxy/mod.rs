//! Paths to Sim: one canonical form, and the allow-list over it.
