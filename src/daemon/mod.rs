//! Listeners, watchers, signals and their end.
