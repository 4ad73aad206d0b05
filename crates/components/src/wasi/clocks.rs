//! wasi:clocks and wasi:random.

use super::View;
use super::generated::clocks::{monotonic_clock, wall_clock};
use super::generated::random::{insecure, insecure_seed, random};
use super::poll::Pollable;
use crate::direct::Block;
use wasi_rs_core::abi::flags::Clockid;
use wasmtime::component::Resource;
use wasmtime::{Result, bail};

/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000_000_000;

/// The most random bytes that are given at once.
const MOST_RANDOM: u64 = 64 << 20;

/// A time in nanoseconds as a record.
pub const fn datetime(nanoseconds: u64) -> wall_clock::Datetime {
    #[allow(clippy::cast_possible_truncation, reason = "less than a second")]
    wall_clock::Datetime { seconds: nanoseconds / SECOND, nanoseconds: (nanoseconds % SECOND) as u32 }
}

/// A record as a time in nanoseconds; none if it is beyond 64 bits, or none.
pub fn nanoseconds(time: wall_clock::Datetime) -> Option<u64> {
    let part = Some(u64::from(time.nanoseconds)).filter(|part| *part < SECOND)?;
    time.seconds.checked_mul(SECOND)?.checked_add(part)
}

impl monotonic_clock::Host for View<'_> {
    fn now(&mut self) -> Result<u64> {
        Ok(self.calls().time(Clockid::Monotonic)?)
    }

    fn resolution(&mut self) -> Result<u64> {
        Ok(self.calls().resolution(Clockid::Monotonic)?)
    }

    fn subscribe_instant(&mut self, when: u64) -> Result<Resource<Pollable>> {
        Ok(self.wasi.table.push(Pollable::Time(when))?)
    }

    fn subscribe_duration(&mut self, duration: u64) -> Result<Resource<Pollable>> {
        let when = self.calls().time(Clockid::Monotonic)?.saturating_add(duration);
        self.subscribe_instant(when)
    }
}

impl wall_clock::Host for View<'_> {
    fn now(&mut self) -> Result<wall_clock::Datetime> {
        Ok(datetime(self.calls().time(Clockid::Realtime)?))
    }

    fn resolution(&mut self) -> Result<wall_clock::Datetime> {
        Ok(datetime(self.calls().resolution(Clockid::Realtime)?))
    }
}

impl View<'_> {
    pub(super) fn random(&mut self, len: u64) -> Result<Block> {
        match u32::try_from(len) {
            Ok(short) if len <= MOST_RANDOM => Ok(self.calls().random(short)?),
            _ => bail!("{len} random bytes were asked for at once, and {MOST_RANDOM} is the most"),
        }
    }

    /// The seed of the guest: the same each time.
    pub(super) fn seed(&mut self) -> Result<(u64, u64)> {
        let seed = match self.wasi.seed {
            Some(seed) => seed,
            None => (self.random_number()?, self.random_number()?),
        };
        self.wasi.seed = Some(seed);
        Ok(seed)
    }

    pub(super) fn random_number(&mut self) -> Result<u64> {
        let bytes = self.calls().random(8)?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

impl random::Host for View<'_> {
    fn get_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        Ok(self.random(len)?.to_vec())
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        self.random_number()
    }
}

impl insecure::Host for View<'_> {
    fn get_insecure_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        Ok(self.random(len)?.to_vec())
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        self.random_number()
    }
}

impl insecure_seed::Host for View<'_> {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        self.seed()
    }
}
