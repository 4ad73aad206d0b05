//! Random bytes.
//!
//! They come from a generator in this process (ChaCha20), which is seeded by the operating system: when it is
//! first used, after every mebibyte, and in the child after a fork. Asking the operating system each time
//! costs more than everything else in the call.
//!
//! With a seed of the embedder, the bytes are the stream of ChaCha20 (all zeros encrypted, from the first
//! block on) whose key is the SHA-256 of the seed: the same however a guest asks for them, for ever.

use crate::abi::errno::Result;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
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
    /// The bytes of the embedder's seed, if there is one.
    stream: Option<Box<Stream>>,
}

struct Seeded {
    generator: ChaCha20Rng,
    bytes_left: usize,
    forks: u32,
}

impl Seeded {
    /// With a seed of the operating system, that is good for so many bytes at least.
    #[cold]
    fn new(least: usize, forks: u32) -> Result<Self> {
        let mut seed = [0; 32];
        from_os(&mut seed)?;
        let generator = ChaCha20Rng::from_seed(seed);
        Ok(Self { generator, bytes_left: BYTES_PER_SEED.max(least), forks })
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Nothing of its state, which is a secret.
        f.write_str("Random")
    }
}

/// Bytes of a block of `ChaCha20`.
const BLOCK: usize = 64;

/// The stream of bytes of a seed. The generator itself drops what is left of a word, so it is asked for whole
/// blocks.
struct Stream {
    generator: ChaCha20Rng,
    /// The block that was begun; so many bytes of its end are left.
    block: [u8; BLOCK],
    left: usize,
}

impl Stream {
    /// (The words are asked for one by one: with two callers, the compiler would not inline `fill_bytes` into
    /// the one that most guests have.)
    #[cold]
    fn fill(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            if self.left == 0 {
                for word in self.block.as_chunks_mut().0 {
                    *word = self.generator.next_u32().to_le_bytes();
                }
                self.left = BLOCK;
            }
            let (head, rest) = bytes.split_at_mut(self.left.min(bytes.len()));
            for (byte, left) in head.iter_mut().zip(self.block.iter().skip(BLOCK - self.left)) {
                *byte = *left;
            }
            self.left -= head.len();
            bytes = rest;
        }
    }
}

impl Random {
    /// Bytes that follow from a seed.
    pub fn of_seed(seed: &[u8]) -> Self {
        let generator = ChaCha20Rng::from_seed(Sha256::digest(seed).into());
        Self { seeded: None, stream: Some(Box::new(Stream { generator, block: [0; BLOCK], left: 0 })) }
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) -> Result {
        if let Some(stream) = &mut self.stream {
            stream.fill(bytes);
            return Ok(());
        }
        let forks = FORKS.load(Ordering::Relaxed);
        let is_good = |seeded: &&mut Seeded| seeded.forks == forks && seeded.bytes_left >= bytes.len();
        // It is not moved, which would take longer than to fill a few bytes.
        let seeded = match self.seeded.as_mut().filter(is_good) {
            Some(seeded) => seeded,
            None => self.seeded.insert(Seeded::new(bytes.len(), forks)?),
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
        let state = || {
            let generator = ChaCha20Rng::from_seed([7; 32]);
            Random { seeded: Some(Seeded { generator, bytes_left: 1000, forks }), stream: None }
        };
        let (mut random, mut child) = (state(), state());
        assert_eq!(bytes(&mut random, 16), bytes(&mut child, 16));
        forked();
        assert_ne!(bytes(&mut random, 16), bytes(&mut child, 16));
    }

    #[test]
    fn the_bytes_of_a_seed_are_one_stream_however_they_are_asked_for() {
        let whole = bytes(&mut Random::of_seed(b"seed"), 2000);
        let mut parts = Random::of_seed(b"seed");
        let lens = [0, 1, 3, 60, 64, 65, 1, 127, 128, 200, 0, 7, 1344];
        assert_eq!(lens.into_iter().flat_map(|len| bytes(&mut parts, len)).collect::<Vec<_>>(), whole);
        let mut single = Random::of_seed(b"seed");
        assert_eq!((0..2000).flat_map(|_| bytes(&mut single, 1)).collect::<Vec<_>>(), whole);
        assert_ne!(bytes(&mut Random::of_seed(b"other"), 2000), whole);
        let mut forked_from = Random::of_seed(b"seed");
        forked();
        assert_eq!(bytes(&mut forked_from, 2000), whole, "a fork takes no new seed");
    }

    #[test]
    fn the_bytes_of_a_seed_are_those_of_other_implementations() {
        // openssl enc -chacha20 -K $(printf 42 | sha256sum) -iv 0...0 of zeros
        let first = bytes(&mut Random::of_seed(b"42"), 16);
        assert_eq!(
            first.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            "790e18703ba023439ee28be38def744a"
        );
    }
}
