//! The guests of an environment, by number.

use crate::call::guest::Guest;
use crate::node_api::{Js, JsResult};
use std::cell::RefCell;
use std::rc::Rc;

/// The guests of an environment. A number is used again, a ticket never.
#[derive(Debug)]
pub struct Guests<H>(RefCell<Slots<H>>);

#[derive(Debug)]
struct Slots<H> {
    slots: Vec<Option<(u32, Rc<Guest<H>>)>>,
    /// Numbers below the slots' length that are free.
    free: Vec<u32>,
    next_ticket: u32,
    live: usize,
    /// The number of live guests at which to search for those that are dead but not yet reported as
    /// collected.
    sweep_at: usize,
}

/// The number of guests before the first search for dead ones.
const FIRST_SWEEP: usize = 64;

/// The weight of a guest, in bytes, that V8 is told so that it collects often enough: there is the memory of
/// its instances outside V8's heap, and its descriptors, of which a process has only so many.
const WEIGHT: i64 = 64 * 1024;

impl<H> Default for Guests<H> {
    fn default() -> Self {
        Self(RefCell::new(Slots { slots: Vec::new(), free: Vec::new(), next_ticket: 0, live: 0, sweep_at: 0 }))
    }
}

impl<H> Guests<H> {
    /// The guest of this number.
    #[inline]
    pub fn get(&self, number: usize) -> Option<Rc<Guest<H>>> {
        let guests = self.0.borrow();
        guests.slots.get(number).and_then(|slot| slot.as_ref()).map(|(_, guest)| Rc::clone(guest))
    }

    /// The number that the next guest gets. Now and then it first removes dead guests, and calls `removed`
    /// with their numbers: Node reports collected objects when the event loop turns, which may be long after
    /// their descriptors are needed.
    pub fn next_number(&self, js: Js<'_>, removed: impl Fn(usize)) -> JsResult<u32> {
        let (live, sweep_at) = (self.0.borrow().live, self.0.borrow().sweep_at);
        if live >= sweep_at {
            self.sweep(js, removed)?;
        }
        let guests = self.0.borrow();
        let next = || u32::try_from(guests.slots.len()).unwrap_or(u32::MAX);
        Ok(guests.free.last().copied().unwrap_or_else(next))
    }

    fn sweep(&self, js: Js<'_>, removed: impl Fn(usize)) -> JsResult<()> {
        let slots = self.0.borrow().slots.len();
        for number in 0..slots {
            if let Some(guest) = self.get(number)
                && js.dereference(&guest.owner)?.is_none()
            {
                self.remove(js, number);
                removed(number);
            }
        }
        let mut guests = self.0.borrow_mut();
        guests.sweep_at = FIRST_SWEEP.max(2 * guests.live);
        Ok(())
    }

    /// Adds a guest under a number from [`Self::next_number`]; the ticket to remove it with.
    pub fn add(&self, js: Js<'_>, number: u32, guest: Guest<H>) -> JsResult<usize> {
        js.adjust_external_memory(WEIGHT)?;
        let mut guests = self.0.borrow_mut();
        let ticket = guests.next_ticket;
        guests.next_ticket = ticket.wrapping_add(1);
        guests.live += 1;
        guests.free.pop_if(|free| *free == number);
        let slot = number as usize;
        if guests.slots.len() <= slot {
            guests.slots.resize_with(slot + 1, || None);
        }
        if let Some(slot) = guests.slots.get_mut(slot) {
            *slot = Some((ticket, Rc::new(guest)));
        }
        Ok(slot | (ticket as usize) << u32::BITS)
    }

    /// Removes the guest with this ticket; its number, if it was still there.
    pub fn remove_by_ticket(&self, js: Js<'_>, ticket: usize) -> Option<usize> {
        let (number, ticket) = (ticket & u32::MAX as usize, ticket >> u32::BITS);
        let is_there = match self.0.borrow().slots.get(number) {
            Some(Some((holds, _))) => *holds as usize == ticket,
            _ => false,
        };
        is_there.then(|| {
            self.remove(js, number);
            number
        })
    }

    /// Removes the guest of this number, and closes its descriptors.
    pub fn remove(&self, js: Js<'_>, number: usize) {
        let mut guests = self.0.borrow_mut();
        let removed = guests.slots.get_mut(number).and_then(Option::take);
        if removed.is_some() {
            guests.live -= 1;
            guests.free.push(u32::try_from(number).unwrap_or(u32::MAX));
            let _ = js.adjust_external_memory(-WEIGHT);
        }
        // Closing its descriptors takes long, and is done when others may use the table.
        drop(guests);
        drop(removed);
    }
}
