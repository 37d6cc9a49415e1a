//! The risk gate.
