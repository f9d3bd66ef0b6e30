//! The high-availability decisions, sans-IO.
