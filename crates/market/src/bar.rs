//! Bars: series, their building from quotes, trades and smaller bars, and their walk.
