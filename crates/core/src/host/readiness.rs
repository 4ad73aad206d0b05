//! The readiness of a descriptor.

/// The readiness that is waited for on a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// A read does not wait.
    Read,
    /// A write does not wait.
    Write,
}

/// The state of a descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// The call would not wait: it is ready, or would fail at once.
    pub ready: bool,
    /// The other end is gone.
    pub hangup: bool,
}
