//! Floor 4: WebAssembly modules as bytes, before any engine has compiled them.
//!
//! | module | what |
//! | --- | --- |
//! | [`outline`] | what a module says of itself, read once for all who ask |
//! | [`bounds`] | how far its memories and tables may grow |
//! | [`sections`] | the numbers of sections, for those who change them |
//! | [`signature`] | types of functions in words |

pub mod bounds;
pub mod outline;
pub mod sections;
pub mod signature;

/// The version of all that this crate changes in a module before it is compiled. Raise it whenever a change would come out
/// differently: machine code that was kept before is not used any more then.
pub const REWRITINGS: u32 = 1;
