//! The readiness of a descriptor.

/// What is waited for on a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// That a read does not wait.
    Read,
    /// That a write does not wait.
    Write,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// It is so, or a call would fail at once.
    pub ready: bool,
    /// The other end is gone.
    pub hangup: bool,
}
