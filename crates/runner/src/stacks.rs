//! The stacks of tasks of WASI 0.3, which are counted: each takes two mappings of the process, and a process
//! that has too many of those can map nothing any more, not even its own memory.
//!
//! One of the addresses of `unsafe`.

#![allow(unsafe_code, reason = "this module is one of the addresses of unsafe: see ARCHITECTURE.md")]

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use rustix::param::page_size;
use std::cell::RefCell;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use wasmtime::{Error, Result, StackCreator, StackMemory, bail};

/// The most stacks of this process. (Linux lets a process have 65 530 mappings.)
const MOST: usize = 4096;

/// The most stacks of one guest, and their most bytes.
const MOST_OF_GUEST: usize = 128;
const MOST_BYTES: usize = 256 << 20;

/// The stacks of this process.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The stacks of one guest.
#[derive(Debug, Default)]
pub struct Share {
    count: AtomicUsize,
    bytes: AtomicUsize,
}

thread_local! {
    /// The share of the guest that is on this thread.
    static SHARE: RefCell<Arc<Share>> = RefCell::default();
}

/// Does something with a guest, to whose share the stacks count that are made meanwhile.
pub fn counting<T>(share: &Arc<Share>, act: impl FnOnce() -> T) -> T {
    /// Puts the share back that was there before, also when `act` panics.
    struct Before(Arc<Share>);
    impl Drop for Before {
        fn drop(&mut self) {
            SHARE.set(Arc::clone(&self.0));
        }
    }
    let _before = Before(SHARE.replace(Arc::clone(share)));
    act()
}

/// Makes stacks, and counts them.
#[derive(Debug)]
pub struct Stacks;

/// A stack, above a page that nobody may touch.
#[derive(Debug)]
struct Stack {
    start: *mut u8,
    guard: usize,
    len: usize,
    _counted: Counted,
}

/// Counts a stack until it is dropped.
#[derive(Debug)]
struct Counted {
    share: Arc<Share>,
    bytes: usize,
}

impl Counted {
    fn new(bytes: usize) -> Result<Self> {
        let counted = Self { share: SHARE.with_borrow(Arc::clone), bytes };
        let all = COUNT.fetch_add(1, Relaxed);
        let own = counted.share.count.fetch_add(1, Relaxed);
        let taken = counted.share.bytes.fetch_add(bytes, Relaxed);
        if all >= MOST {
            bail!("tasks that wait within calls have {MOST} stacks in this process, which is the most");
        }
        if own >= MOST_OF_GUEST || taken.saturating_add(bytes) > MOST_BYTES {
            bail!("{own} tasks wait within calls, whose stacks take {taken} bytes: there is no stack for one more");
        }
        Ok(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        COUNT.fetch_sub(1, Relaxed);
        self.share.count.fetch_sub(1, Relaxed);
        self.share.bytes.fetch_sub(self.bytes, Relaxed);
    }
}

// SAFETY: a stack is memory that nobody else has.
unsafe impl Send for Stack {}
// SAFETY: as above.
unsafe impl Sync for Stack {}

impl Stack {
    fn new(size: usize) -> Result<Self> {
        let guard = page_size();
        let len = size.checked_next_multiple_of(guard).and_then(|size| size.checked_add(guard));
        let len = len.ok_or_else(|| Error::msg("a stack is too large"))?;
        let counted = Counted::new(len)?;
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), len, ProtFlags::empty(), MapFlags::PRIVATE) }?;
        let stack = Self { start: start.cast(), guard, len, _counted: counted };
        // SAFETY: the part above the guard page is within the mapping, and nobody uses it yet.
        unsafe {
            mprotect(
                stack.start.wrapping_add(guard).cast(),
                len.saturating_sub(guard),
                MprotectFlags::READ | MprotectFlags::WRITE,
            )
        }?;
        Ok(stack)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: it was mapped by `new` with this length, and wasmtime drops a stack when nobody runs on it.
        let _ = unsafe { munmap(self.start.cast(), self.len) }; // it can't fail for a mapping that is there
    }
}

// SAFETY: the memory is of whole pages, and a page below it is a guard.
unsafe impl StackMemory for Stack {
    fn top(&self) -> *mut u8 {
        self.start.wrapping_add(self.len)
    }

    fn range(&self) -> Range<usize> {
        let start = self.start.addr();
        start.saturating_add(self.guard)..start.saturating_add(self.len)
    }

    fn guard_range(&self) -> Range<*mut u8> {
        self.start..self.start.wrapping_add(self.guard)
    }
}

// SAFETY: stacks are new mappings, filled with zeros by the kernel, each with a guard page.
unsafe impl StackCreator for Stacks {
    fn new_stack(&self, size: usize, _zeroed: bool) -> Result<Box<dyn StackMemory>> {
        Ok(Box::new(Stack::new(size)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_counted_and_given_back() {
        let share = Arc::<Share>::default();
        let count = || share.count.load(Relaxed);
        counting(&share, || {
            let stack = Stack::new(100_000).unwrap();
            assert_eq!(count(), 1);
            assert!(stack.range().len() >= 100_000 && stack.range().end == stack.top().addr());
            // SAFETY: the byte is in the stack, which nobody else has.
            unsafe { stack.top().sub(1).write(1) };
            let refusal = Stack::new(MOST_BYTES).unwrap_err().to_string();
            assert!(refusal.starts_with("1 tasks wait within calls"), "{refusal}");
            let others: Vec<_> = (1..MOST_OF_GUEST).map(|_| Stack::new(4096).unwrap()).collect();
            assert!(Stack::new(4096).unwrap_err().to_string().contains("no stack for one more"));
            drop((stack, others));
        });
        assert_eq!((count(), share.bytes.load(Relaxed)), (0, 0));
        Stack::new(4096).unwrap();
        assert_eq!(count(), 0, "of another guest");
    }
}
