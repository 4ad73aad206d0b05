//! wasi:sockets, over the calls of sockets of the core, which ask the guest's rules. Without any, a
//! program that is built for sockets begins all the same, and finds that it may not.
//!
//! | module | interfaces |
//! | --- | --- |
//! | [`addresses`] | addresses, as the interfaces have them |
//! | [`errors`] | errors of calls as codes of wasi:sockets |
//! | [`lookup`] | wasi:sockets/ip-name-lookup |
//! | [`network`] | wasi:sockets/network, instance-network |
//! | [`state`] | the state of a socket for TCP, which its streams and pollables look at |
//! | [`tcp`] | wasi:sockets/tcp, tcp-create-socket |
//! | [`udp`] | wasi:sockets/udp, udp-create-socket |

pub(in crate::wasi) mod addresses;
pub mod errors;
pub mod lookup;
pub mod network;
pub mod state;
pub mod tcp;
pub mod udp;
