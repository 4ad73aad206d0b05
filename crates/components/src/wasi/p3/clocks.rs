//! wasi:clocks and wasi:random.

use super::generated::clocks::system_clock::Instant;
use super::generated::clocks::{monotonic_clock, system_clock, types};
use super::generated::random::{insecure, insecure_seed, random};
use crate::wasi::calls::Awaited;
use crate::wasi::clocks::SECOND;
use crate::wasi::{View, Views};
use std::sync::Arc;
use wasi_rs_core::abi::flags::Clockid;
use wasmtime::Result;
use wasmtime::component::Accessor;

/// A time in nanoseconds as a record.
pub const fn instant(nanoseconds: u64) -> Instant {
    #[allow(clippy::cast_possible_truncation, reason = "less than a second")]
    #[allow(clippy::cast_possible_wrap, reason = "less than 2^35")]
    Instant { seconds: (nanoseconds / SECOND) as i64, nanoseconds: (nanoseconds % SECOND) as u32 }
}

impl types::Host for View<'_> {}

impl monotonic_clock::Host for View<'_> {
    fn now(&mut self) -> Result<u64> {
        Ok(self.calls().time(Clockid::Monotonic)?)
    }

    fn get_resolution(&mut self) -> Result<u64> {
        Ok(self.calls().resolution(Clockid::Monotonic)?)
    }
}

impl<U: Send + 'static> monotonic_clock::HostWithStore<U> for Views {
    async fn wait_until(store: &Accessor<U, Self>, when: u64) -> Result<()> {
        let (now, reactor) = store.with(|mut store| {
            let mut view = store.get();
            (view.calls().time(Clockid::Monotonic), Arc::clone(&view.wasi.reactor))
        });
        if when > now? {
            reactor.wait(Awaited::Time(when)).await;
        }
        Ok(())
    }

    async fn wait_for(store: &Accessor<U, Self>, duration: u64) -> Result<()> {
        let now = store.with(|mut store| store.get().calls().time(Clockid::Monotonic))?;
        Self::wait_until(store, now.saturating_add(duration)).await
    }
}

impl system_clock::Host for View<'_> {
    fn now(&mut self) -> Result<Instant> {
        Ok(instant(self.calls().time(Clockid::Realtime)?))
    }

    fn get_resolution(&mut self) -> Result<u64> {
        Ok(self.calls().resolution(Clockid::Realtime)?)
    }
}

impl random::Host for View<'_> {
    fn get_random_bytes(&mut self, most: u64) -> Result<Vec<u8>> {
        Ok(self.random(most.min(MOST_AT_ONCE))?.to_vec())
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        self.random_number()
    }
}

impl insecure::Host for View<'_> {
    fn get_insecure_random_bytes(&mut self, most: u64) -> Result<Vec<u8>> {
        Ok(self.random(most.min(MOST_AT_ONCE))?.to_vec())
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        self.random_number()
    }
}

impl insecure_seed::Host for View<'_> {
    fn get_insecure_seed(&mut self) -> Result<(u64, u64)> {
        self.seed()
    }
}

/// The most random bytes of one call, which may give fewer than were asked for.
const MOST_AT_ONCE: u64 = 64 << 10;
