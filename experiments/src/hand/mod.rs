//! The store by hand: whom to ask, and how an answer reads.

pub mod answer;
pub mod place;
