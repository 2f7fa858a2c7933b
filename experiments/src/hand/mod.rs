//! The store by hand: whom to ask, how an answer reads, and a shell that remembers what it was told.

pub mod answer;
pub mod place;
pub mod shell;
