//! The checkers: laws over random histories, and short histories with numbers worked out by hand.

mod budget;
mod causal;
mod definition;
mod histories;
mod laws;
mod models;
mod random;
mod script;
