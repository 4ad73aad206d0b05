//! WebAssembly modules as bytes, before any engine has compiled them: read once, checked, and changed for the
//! engine that gets them.
//!
//! | module | what |
//! | --- | --- |
//! | [`outline`] | what a module says of itself, read once for all who ask |
//! | [`bounds`] | how far its memories and tables may grow |
//! | [`instructions`] | the instructions of its functions, read fast |
//! | [`sections`] | the numbers of sections, for those who change them |
//! | [`signature`] | types of functions in words |
//! | [`interface`] | whether a module is a program that runs here, for both engines |
//! | [`compile_limits`], [`startup`] | what each engine is given to compile at most |
//! | [`component`] | components: what is in them, and what they make an engine compile |
//! | [`worlds`] | components: by which interfaces they are run, and of which versions |
//! | [`skeleton`] | components without the bodies of their functions: quickly compiled, for their types |
//! | [`rewrite`] | every change of a module before an engine gets it |
//! | [`limits`] | what a run may use |
//! | [`cancellation`] | how reading and changing are given up |
//! | [`error`] | why a module is refused |

pub mod bounds;
pub mod cancellation;
pub mod compile_limits;
pub mod component;
mod component_types;
pub mod error;
pub mod instructions;
pub mod interface;
pub mod limits;
pub mod outline;
pub mod rewrite;
pub mod sections;
pub mod signature;
pub mod skeleton;
pub mod startup;
pub mod worlds;

/// The version of all that this crate changes in a module before it is compiled, and says of how. Raise it
/// whenever it would come out differently: machine code that was kept before is not used any more then.
pub const REWRITINGS: u32 = 3;
