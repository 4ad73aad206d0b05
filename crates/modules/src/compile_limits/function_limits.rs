//! The limits of one function.

use std::fmt::Display;

/// The most that a function may have in an engine.
pub struct FunctionLimits {
    /// Units of work (100 000). In Cranelift each takes 500 bytes until the function is compiled; in V8 100,
    /// and 1000 while it is optimised.
    pub work: u64,
    /// Variables, and values on its stack at a time (524). Cranelift's time grows with the square where all
    /// are needed at once: 0.6 s. V8 itself allows 50 000 variables.
    pub locals: u64,
    /// Nested blocks (3 233). Cranelift's time grows with the square: 0.2 s. In V8 each takes 1.3 KB.
    pub depth: usize,
    /// Nested loops (8). Cranelift's time grows with the third power where they change variables: 10 ms.
    pub loops: usize,
    /// Variables, and values on its stack, times branches (2.3 million). At each branch each may need a value
    /// of its own, which takes 26 bytes and 0.1 µs in Cranelift, and 13 bytes in V8.
    pub values: u64,
    /// Globals times instructions (1 million). Cranelift may look at each global at each access to memory: 4
    /// ns, and 2 bytes at each branch.
    pub places: u64,
    /// Branches that are taken or not (2 793). V8's optimiser copies the code behind one that it has seen
    /// before: 340 bytes and 300 ns, times their number once more (Node 24).
    pub choices: u64,
    /// Loops times instructions (3.4 million): 9 ns in V8's optimiser (Node 20).
    pub rounds: u64,
}

/// No limits.
pub const UNBOUNDED: FunctionLimits = FunctionLimits {
    work: u64::MAX,
    locals: u64::MAX,
    depth: usize::MAX,
    loops: usize::MAX,
    values: u64::MAX,
    places: u64::MAX,
    choices: u64::MAX,
    rounds: u64::MAX,
};

/// The limits of Cranelift.
pub const WASMTIME: FunctionLimits = FunctionLimits {
    work: 400_000,
    locals: 5_000,
    depth: 10_000,
    loops: 100,
    values: 8_000_000,
    places: 100_000_000,
    ..UNBOUNDED
};
/// The limits of V8 where `limits.memory` is set: 80 MB, 13 MB and 100 MB.
pub const V8_LIMITED: FunctionLimits = FunctionLimits { work: 600_000, depth: 10_000, values: 8_000_000, ..UNBOUNDED };
/// The limits of V8 otherwise: 600 MB, 130 MB and 2.6 GB.
pub const V8: FunctionLimits = FunctionLimits { work: 6_000_000, depth: 100_000, values: 200_000_000, ..UNBOUNDED };

/// The limits of V8's optimiser where `limits.memory` is set: 2 s each, and 200 MB, 1.2 GB, 200 MB and 100
/// MB.
pub const OPTIMISED_LIMITED: FunctionLimits =
    FunctionLimits { work: 200_000, choices: 2_000, values: 8_000_000, rounds: 50_000_000, ..UNBOUNDED };
/// The limits of V8's optimiser otherwise: 3 s for as many branches, and 3 GB.
pub const OPTIMISED: FunctionLimits = FunctionLimits { choices: 3_000, ..OPTIMISED_LIMITED };

/// The units of work in words.
pub const INSTRUCTIONS: &str = "instructions and values they hand over";

/// An error that names the excess, unless the number is within its limit.
pub fn within<T: PartialOrd + Display>(who: &str, number: T, limit: T, what: &str) -> Result<(), String> {
    if number <= limit { Ok(()) } else { Err(format!("{who} has {number} {what}, and {limit} is the most")) }
}
