//! wasi:http: requests that a guest makes, and requests that it answers.
//!
//! An exchange of a request and its response has a socket for each, whose other ends the embedder has.
//! Messages go as frames ([`frames`]), and the embedder does the HTTP. So bodies have back-pressure, and
//! waits for them, their ends and their limits are those of other descriptors.
//!
//! | module | content |
//! | --- | --- |
//! | [`budget`] | the memory that fields and texts of a guest take |
//! | [`codes`] | error codes by their names |
//! | [`exchange`] | what the embedder sends, as it is received |
//! | [`fields`] | the resource `fields` |
//! | [`frames`] | frames |
//! | [`incoming`] | requests and responses that a guest gets |
//! | [`outgoing`] | requests and responses that a guest makes |
//! | [`request_line`] | the first line of a request: its method, and the parts of its URL |

pub mod budget;
pub mod codes;
pub mod exchange;
pub mod fields;
pub mod frames;
pub mod incoming;
pub mod outgoing;
pub mod request_line;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a part of an exchange. (Only the guest's thread does, and never two at once.)
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
