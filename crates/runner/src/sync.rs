//! The primitives of `termination.rs`; `crates/runner/loom` has loom's in their place.

pub use std::sync::atomic::{AtomicBool, Ordering, fence};
pub use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
