//! The checkers: laws over random histories, and short histories with numbers worked out by hand.

mod definition;
mod laws;
mod models;
mod random;
