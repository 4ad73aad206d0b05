//! Random bytes.

use crate::abi::errno::Result;
use rustix::rand::{GetRandomFlags, getrandom};

/// Fills `bytes` from the operating system's generator.
pub fn fill(mut bytes: &mut [u8]) -> Result {
    while !bytes.is_empty() {
        match getrandom(&mut *bytes, GetRandomFlags::empty()) {
            Ok(count) => bytes = bytes.split_at_mut(count).1,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_stretches_are_filled_to_the_end() {
        let mut bytes = vec![0; 100_000];
        fill(&mut bytes).unwrap();
        assert!(bytes.chunks(64).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
    }
}
