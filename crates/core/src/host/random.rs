//! Random bytes.
//!
//! They come from a generator in this process (ChaCha20), which is seeded by the operating system: when it is
//! first used, after every mebibyte, and in the child after a fork. Asking the operating system each time
//! costs more than everything else in the call.

use crate::abi::errno::Result;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes that one seed is good for.
const BYTES_PER_SEED: usize = 1 << 20;

/// Forks of this process, and of those it was forked from, into a child that went on.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Makes every generator take a new seed. To be called in the child after a fork: it is one store.
pub fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// A guest's generator.
#[derive(Default)]
pub struct Random {
    seeded: Option<Seeded>,
}

struct Seeded {
    generator: ChaCha20Rng,
    bytes_left: usize,
    forks: u32,
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Nothing of its state, which is a secret.
        f.write_str("Random")
    }
}

impl Random {
    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) -> Result {
        let forks = FORKS.load(Ordering::Relaxed);
        let good = |seeded: &Seeded| seeded.forks == forks && seeded.bytes_left >= bytes.len();
        let seeded = match self.seeded.take().filter(good) {
            Some(seeded) => self.seeded.insert(seeded),
            None => {
                let mut seed = [0; 32];
                from_os(&mut seed)?;
                let generator = ChaCha20Rng::from_seed(seed);
                self.seeded.insert(Seeded { generator, bytes_left: BYTES_PER_SEED.max(bytes.len()), forks })
            }
        };
        seeded.generator.fill_bytes(bytes);
        seeded.bytes_left -= bytes.len();
        Ok(())
    }
}

/// Fills `bytes` from the operating system's generator.
#[cfg(target_os = "linux")]
fn from_os(mut bytes: &mut [u8]) -> Result {
    use rustix::rand::{GetRandomFlags, getrandom};
    while !bytes.is_empty() {
        match getrandom(&mut *bytes, GetRandomFlags::empty()) {
            Ok(count) => bytes = bytes.split_at_mut(count).1,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Fills `bytes` from the operating system's generator.
#[cfg(not(target_os = "linux"))]
fn from_os(bytes: &mut [u8]) -> Result {
    getrandom::fill(bytes).map_err(|error| std::io::Error::from(error).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(random: &mut Random, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        random.fill(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn two_guests_and_two_calls_get_different_bytes() {
        let (mut one, mut other) = (Random::default(), Random::default());
        let all = [bytes(&mut one, 32), bytes(&mut one, 32), bytes(&mut other, 32), bytes(&mut other, 32)];
        for (index, left) in all.iter().enumerate() {
            assert!(all.iter().skip(index + 1).all(|right| left != right));
        }
    }

    #[test]
    fn long_stretches_are_filled_to_the_end() {
        let long = bytes(&mut Random::default(), 3 << 20);
        assert!(long.chunks(64).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
    }

    #[test]
    fn a_seed_is_used_up_and_a_fork_needs_a_new_one() {
        let mut random = Random::default();
        bytes(&mut random, BYTES_PER_SEED - 8);
        assert_eq!(random.seeded.as_ref().unwrap().bytes_left, 8);
        bytes(&mut random, 9);
        assert_eq!(random.seeded.as_ref().unwrap().bytes_left, BYTES_PER_SEED - 9);
        // A process and its forked child go on from the same state.
        let forks = FORKS.load(Ordering::Relaxed);
        let state =
            || Random { seeded: Some(Seeded { generator: ChaCha20Rng::from_seed([7; 32]), bytes_left: 1000, forks }) };
        let (mut random, mut child) = (state(), state());
        assert_eq!(bytes(&mut random, 16), bytes(&mut child, 16));
        forked();
        assert_ne!(bytes(&mut random, 16), bytes(&mut child, 16));
    }
}
