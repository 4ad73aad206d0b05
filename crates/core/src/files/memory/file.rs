//! Files of a tree in memory, as their open descriptors share them.

use super::budget::Budget;
use super::content::Content;
use crate::host::file::SetTime;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The times of a file, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Last access. Reading does not change it, as where a file system is mounted with `noatime`.
    pub atim: u64,
    /// Last change of the bytes, or of the entries.
    pub mtim: u64,
    /// Last change of anything.
    pub ctim: u64,
}

impl Times {
    /// All the same.
    pub const fn at(now: u64) -> Self {
        Self { atim: now, mtim: now, ctim: now }
    }

    /// Notes that bytes or entries have been changed.
    pub const fn change(&mut self, now: u64) {
        self.mtim = now;
        self.ctim = now;
    }

    /// Sets them as a guest asks for.
    pub const fn set(&mut self, atim: SetTime, mtim: SetTime, now: u64) {
        self.atim = after(self.atim, atim, now);
        self.mtim = after(self.mtim, mtim, now);
        self.ctim = now;
    }
}

const fn after(before: u64, set: SetTime, now: u64) -> u64 {
    match set {
        SetTime::Keep => before,
        SetTime::Now => now,
        SetTime::To(time) => time,
    }
}

/// A regular file.
#[derive(Debug)]
pub struct Data {
    /// The budget of its tree.
    pub budget: Arc<Budget>,
    state: RwLock<State>,
}

/// The bytes of a file, and its times.
#[derive(Debug)]
pub struct State {
    /// Its bytes.
    pub content: Content,
    /// Its times.
    pub times: Times,
}

impl Data {
    /// A file of these bytes, which have been taken from the budget.
    pub const fn new(budget: Arc<Budget>, content: Content, times: Times) -> Self {
        Self { budget, state: RwLock::new(State { content, times }) }
    }

    /// To look at it.
    pub fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// To change it.
    pub fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let cost = self.read().content.cost();
        self.budget.give_back(cost);
    }
}
