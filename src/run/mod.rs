//! The functions behind `run()`, `spawn()` and `compile()`.

pub mod outcome;
pub mod requests;
pub mod tickets;
