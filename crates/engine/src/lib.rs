//! Starling engine.
