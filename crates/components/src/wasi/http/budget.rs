//! The memory of the host that the messages of one guest take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use wasmtime::{Result, bail};

/// The most bytes of fields, paths and bodies that have not been sent, of one guest.
const MOST: usize = 16 << 20;

/// The bytes that are taken by now.
#[derive(Debug, Default)]
pub struct Budget(Arc<AtomicUsize>);

/// Bytes that are taken as long as this exists.
#[derive(Debug)]
pub struct Charge {
    taken: Arc<AtomicUsize>,
    bytes: usize,
}

impl Budget {
    /// Takes so many bytes. An error, which ends the guest, if there are not as many.
    pub fn charge(&self, bytes: usize) -> Result<Charge> {
        let mut charge = Charge { taken: Arc::clone(&self.0), bytes: 0 };
        charge.resize(bytes)?;
        Ok(charge)
    }
}

impl Charge {
    /// Takes so many bytes instead.
    pub fn resize(&mut self, bytes: usize) -> Result<()> {
        let others = self.taken.load(Relaxed).saturating_sub(self.bytes);
        let all = others.saturating_add(bytes);
        if all > MOST {
            bail!("fields and bodies of HTTP that were not sent take {all} bytes: {MOST} is the most");
        }
        self.taken.store(all, Relaxed);
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.taken.store(self.taken.load(Relaxed).saturating_sub(self.bytes), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_taken_and_given_back() {
        let budget = Budget::default();
        let mut first = budget.charge(MOST - 1).unwrap();
        assert!(budget.charge(2).is_err());
        let second = budget.charge(1).unwrap();
        assert!(first.resize(MOST).is_err());
        drop(second);
        first.resize(MOST).unwrap();
        drop(first);
        assert!(budget.charge(MOST).is_ok());
    }
}
