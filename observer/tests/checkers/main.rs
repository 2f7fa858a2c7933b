//! The checkers: laws over random histories, and short histories with numbers worked out by hand.

mod definition;
mod histories;
mod laws;
mod models;
mod random;
mod script;
