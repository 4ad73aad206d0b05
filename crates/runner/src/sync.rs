//! What `ending.rs` is made with; `crates/runner/loom` has loom's in its place.

pub use std::sync::atomic::{AtomicBool, Ordering, fence};
pub use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
