//! Waiting for several things at once.

use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Clockid, Eventrwflags, Eventtype, Subclockflags};
use crate::abi::records::{Event, Record, SubscriptionClock, SubscriptionClockUnstable, SubscriptionFd};
use crate::abi::{Abi, Fd, Ptr};
use crate::ctx::Ctx;
use crate::descriptors::Descriptor;
use crate::files::object::Object;
use crate::host::clocks::{Clocks, Moment};
use crate::host::stream::Stream;
use crate::host::wait::{Interest, Ready};
use crate::memory::Memory;
use smallvec::SmallVec;
use std::cell::Ref;

/// The most subscriptions of one call: more than a guest may have descriptors, and little for the host to
/// keep.
const MAX_SUBSCRIPTIONS: u32 = 1 << 16;

/// The bytes that can be written: the true number is not known, but one can.
const ROOM: u64 = 1;

/// One thing that is waited for.
struct Subscription<'c> {
    userdata: u64,
    r#type: Eventtype,
    what: What<'c>,
}

enum What<'c> {
    /// A clock shows this time.
    Clock { id: Clockid, at: u64 },
    /// The descriptor is ready; if it is open in the operating system, it is number `polled` among those
    /// handed to it.
    Fd { descriptor: Ref<'c, Descriptor>, interest: Interest, polled: usize },
    /// Nothing: the subscription is at fault, which is an event itself.
    Nothing(Errno),
}

type Subscriptions<'c> = SmallVec<[Subscription<'c>; 4]>;

pub(super) fn poll_oneoff(
    ctx: &Ctx,
    memory: &Memory<'_>,
    r#in: Ptr<SubscriptionClock>,
    out: Ptr<Event>,
    nsubscriptions: u32,
    nevents: Ptr<u32>,
) -> Result {
    if nsubscriptions == 0 || nsubscriptions > MAX_SUBSCRIPTIONS {
        return Err(Errno::Inval);
    }
    memory.check(out, nsubscriptions)?;
    memory.check(nevents, 1)?;
    let clocks = ctx.clocks();
    clocks.step();
    let subscriptions = read_subscriptions(ctx, memory, r#in, nsubscriptions)?;
    let polled: SmallVec<[_; 4]> = subscriptions
        .iter()
        .filter_map(|subscription| match &subscription.what {
            What::Fd { descriptor, interest, .. } => match &descriptor.object {
                Object::File(file) => Some((file, *interest)),
                Object::Memory(_) | Object::Stream(_) => None,
            },
            _ => None,
        })
        .collect();
    loop {
        let ready = clocks.wait(&polled, next_moment(clocks, &subscriptions), ctx.interrupt())?;
        let mut count = 0;
        for event in subscriptions.iter().filter_map(|subscription| event_of(clocks, subscription, &ready)) {
            memory.write(memory.element(out, count)?, &event)?;
            count += 1;
        }
        // None: a clock was set back while we waited for it.
        if count > 0 {
            return memory.write(nevents, &count);
        }
    }
}

/// Reads all subscriptions; `memory.check` has bounded their number by the guest's own memory.
fn read_subscriptions<'c>(
    ctx: &'c Ctx,
    memory: &Memory<'_>,
    r#in: Ptr<SubscriptionClock>,
    count: u32,
) -> Result<Subscriptions<'c>> {
    let size = match ctx.abi() {
        Abi::Preview1 => SubscriptionClock::SIZE,
        Abi::Unstable => SubscriptionClockUnstable::SIZE,
    };
    let mut polled = 0;
    let mut subscriptions = Subscriptions::new();
    for index in 0..u64::from(count) {
        let at = u32::try_from(u64::from(r#in.offset) + index * size as u64).map_err(|_| Errno::Fault)?;
        let head: SubscriptionFd = memory.read(Ptr::new(at))?;
        let r#type = Eventtype::from_number(head.tag)?;
        let what = match r#type {
            Eventtype::Clock => clock_of(ctx.clocks(), &read_clock(ctx.abi(), memory, at)?)?,
            Eventtype::FdRead => fd_of(ctx, head, Interest::Read, &mut polled),
            Eventtype::FdWrite => fd_of(ctx, head, Interest::Write, &mut polled),
        };
        subscriptions.push(Subscription { userdata: head.userdata, r#type, what });
    }
    Ok(subscriptions)
}

fn read_clock(abi: Abi, memory: &Memory<'_>, at: u32) -> Result<SubscriptionClock> {
    if abi == Abi::Preview1 {
        return memory.read(Ptr::new(at));
    }
    let SubscriptionClockUnstable { userdata, tag, id, timeout, precision, flags, .. } = memory.read(Ptr::new(at))?;
    Ok(SubscriptionClock { userdata, tag, id, timeout, precision, flags })
}

/// The point in time a subscription means. A clock that can't be waited for is an event with EINVAL.
fn clock_of(clocks: &Clocks, subscription: &SubscriptionClock) -> Result<What<'static>> {
    let flags = Subclockflags::from_bits(subscription.flags).ok_or(Errno::Inval)?;
    let id = match Clockid::from_number(subscription.id) {
        Ok(id @ (Clockid::Realtime | Clockid::Monotonic)) => id,
        _ => return Ok(What::Nothing(Errno::Inval)),
    };
    Ok(if flags.contains(Subclockflags::ABSTIME) {
        What::Clock { id, at: subscription.timeout }
    } else {
        // A distance is not affected by the clock being set, so it counts on the one that is never set.
        let now = clocks.shows(Clockid::Monotonic);
        What::Clock { id: Clockid::Monotonic, at: now.saturating_add(subscription.timeout) }
    })
}

fn fd_of<'c>(ctx: &'c Ctx, subscription: SubscriptionFd, interest: Interest, polled: &mut usize) -> What<'c> {
    let found = ctx.descriptors.get(Fd(subscription.file_descriptor));
    // To wait for what may not be done is refused, as doing it is.
    let found = found.and_then(|one| one.require(one.rights_to_await(interest)).map(|()| one));
    match found {
        Ok(descriptor) => {
            let number = *polled;
            *polled += usize::from(matches!(descriptor.object, Object::File(_)));
            What::Fd { descriptor, interest, polled: number }
        }
        Err(errno) => What::Nothing(errno),
    }
}

/// The moment at which the first clock is due.
fn next_moment(clocks: &Clocks, subscriptions: &[Subscription<'_>]) -> Option<Moment> {
    let due = |subscription: &Subscription<'_>| match &subscription.what {
        What::Clock { id, at } => Some(clocks.moment(*id, *at)),
        What::Nothing(_) => Some(Moment::PAST),
        // In memory nothing is waited for.
        What::Fd { descriptor, .. } => (!matches!(descriptor.object, Object::File(_))).then_some(Moment::PAST),
    };
    subscriptions.iter().filter_map(due).min()
}

/// The event of a subscription, if it has come about.
fn event_of(clocks: &Clocks, subscription: &Subscription<'_>, ready: &[Ready]) -> Option<Event> {
    let mut event = Event {
        userdata: subscription.userdata,
        error: Errno::Success.number(),
        r#type: subscription.r#type.number(),
        nbytes: 0,
        flags: 0,
    };
    match &subscription.what {
        What::Clock { id, at } => (clocks.shows(*id) >= *at).then_some(event),
        What::Nothing(errno) => {
            event.error = errno.number();
            Some(event)
        }
        What::Fd { descriptor, interest, polled } => {
            let (nbytes, hangup) = match &descriptor.object {
                Object::File(file) => {
                    let state = ready.get(*polled).filter(|state| state.ready)?;
                    (if *interest == Interest::Read { descriptor.offset.available(file) } else { ROOM }, state.hangup)
                }
                Object::Memory(_) if *interest == Interest::Write => (ROOM, false),
                Object::Memory(open) => (open.size().saturating_sub(descriptor.offset.kept().unwrap_or(0)), false),
                Object::Stream(Stream::Input(input)) => input.available(),
                Object::Stream(Stream::Output(_)) => (ROOM, false),
            };
            event.nbytes = nbytes;
            event.flags = if hangup { Eventrwflags::FD_READWRITE_HANGUP.bits() } else { 0 };
            Some(event)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ALL, Guest};
    use super::*;
    use crate::ctx::Fixed;
    use crate::host::clock;
    use crate::host::clocks::Beginning;
    use crate::host::stream::{Input, Output};
    use std::sync::Arc;

    fn clock_subscription(guest: &Guest, at: u32, id: u32, timeout: u64, flags: u16) {
        let subscription = SubscriptionClock { userdata: 77, tag: 0, id, timeout, precision: 0, flags };
        guest.memory.put(at, &subscription.encode());
    }

    fn fd_subscription(guest: &Guest, at: u32, userdata: u64, tag: u8, fd: u32) {
        guest.memory.put(at, &SubscriptionFd { userdata, tag, file_descriptor: fd }.encode());
    }

    #[test]
    fn poll_oneoff_on_a_clock_is_not_early() {
        let guest = Guest::new();
        for (id, flags) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let clock = Clockid::from_number(id).unwrap();
            let before = clock::now(Clockid::Monotonic);
            let timeout = if flags == 1 { clock::now(clock) + 2_000_000 } else { 2_000_000 };
            clock_subscription(&guest, 0, id, timeout, flags);
            assert_eq!(guest.call("poll_oneoff", &[0, 512, 1, 600]), Errno::Success);
            assert!(clock::now(Clockid::Monotonic) - before >= 1_900_000, "clock {id}, flags {flags}");
            assert_eq!(guest.u32(600), 1);
            let event: Event = guest.record(512);
            assert_eq!((event.userdata, event.error, event.r#type), (77, 0, 0));
        }
    }

    #[test]
    fn by_a_guest_s_own_clocks_a_wait_for_time_takes_none() {
        let beginning = Beginning { realtime: 1_000, monotonic: 50, step: 1 };
        let guest = Guest::new().fixing(Fixed { clock: Some(beginning), ..Fixed::default() });
        let hour = 3_600_000_000_000;
        for (id, timeout, flags) in [(1, hour, 0), (0, hour, 0), (1, 3 * hour, 1), (0, u64::MAX, 1), (1, u64::MAX, 0)] {
            clock_subscription(&guest, 0, id, timeout, flags);
            clock_subscription(&guest, 48, id, u64::MAX, 1);
            assert_eq!(guest.call("poll_oneoff", &[0, 512, 2, 600]), Errno::Success);
            assert_eq!(guest.record::<Event>(512).error, Errno::Success.number());
        }
        assert_eq!(guest.ctx.clocks().shows(Clockid::Monotonic), u64::MAX);
        // One that looks whether the time has come, again and again, sees it come.
        let guest = Guest::new().fixing(Fixed { clock: Some(beginning), ..Fixed::default() });
        let mut looks = 0;
        clock_subscription(&guest, 0, 1, 100, 1);
        fd_subscription(&guest, 48, 5, 2, 1);
        while guest.u32(600) != 2 {
            assert_eq!(guest.call("poll_oneoff", &[0, 512, 2, 600]), Errno::Success);
            looks += 1;
        }
        assert_eq!(looks, 50);
    }

    #[test]
    fn poll_oneoff_reports_ready_descriptors_only() {
        let guest = Guest::new();
        std::fs::write(guest.host("file"), "12345").unwrap();
        let file = u32::try_from(guest.open("file", 0, ALL, 0).unwrap()).unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        let quiet = guest.ctx.push_stdio(crate::host::file::OwnedHandle::from(reader).into(), false).unwrap();
        fd_subscription(&guest, 0, 1, 1, 0);
        fd_subscription(&guest, 48, 2, 2, 1);
        fd_subscription(&guest, 96, 3, 1, file);
        fd_subscription(&guest, 144, 4, 1, quiet.0);
        clock_subscription(&guest, 192, 1, 60_000_000_000, 0);
        assert_eq!(guest.call("poll_oneoff", &[0, 512, 5, 900]), Errno::Success);
        assert_eq!(guest.u32(900), 3);
        let events = [512, 544, 576].map(|at| guest.record::<Event>(at));
        assert_eq!(events.map(|event| event.userdata), [1, 2, 3]);
        assert_eq!(events[0].flags, Eventrwflags::FD_READWRITE_HANGUP.bits(), "stdin has ended");
        assert_eq!((events[2].nbytes, events[2].flags), (5, 0));
        drop(writer);
    }

    #[test]
    fn streams_in_memory_are_always_ready() {
        let guest = Guest::new();
        let push = |stream| guest.ctx.push_stream(stream).unwrap().0;
        let bytes = push(Stream::Input(Arc::new(Input::new(b"abc".to_vec()))));
        let ended = push(Stream::Input(Arc::new(Input::new(Vec::new()))));
        let asked = push(Stream::Input(Arc::new(Input::on_demand())));
        let output = push(Stream::Output(Arc::new(Output::new(9))));
        for (index, fd) in [bytes, ended, asked, output].into_iter().enumerate() {
            let index = u32::try_from(index).unwrap();
            fd_subscription(&guest, 48 * index, u64::from(fd), if fd == output { 2 } else { 1 }, fd);
        }
        clock_subscription(&guest, 192, 1, 60_000_000_000, 0);
        assert_eq!(guest.call("poll_oneoff", &[0, 512, 5, 900]), Errno::Success);
        assert_eq!(guest.u32(900), 4);
        let hangup = Eventrwflags::FD_READWRITE_HANGUP.bits();
        for (at, (fd, nbytes, flags)) in
            [(512, (bytes, 3, hangup)), (544, (ended, 0, hangup)), (576, (asked, 1, 0)), (608, (output, 1, 0))]
        {
            let event: Event = guest.record(at);
            assert_eq!((event.userdata, event.nbytes, event.flags), (u64::from(fd), nbytes, flags));
        }
    }

    #[test]
    fn a_bad_descriptor_is_an_event_and_a_bad_subscription_fails_the_call() {
        let guest = Guest::new();
        fd_subscription(&guest, 0, 9, 1, 99);
        clock_subscription(&guest, 48, 2, 0, 0);
        assert_eq!(guest.call("poll_oneoff", &[0, 512, 2, 900]), Errno::Success);
        assert_eq!(guest.u32(900), 2);
        assert_eq!(guest.record::<Event>(512).error, Errno::Badf.number());
        assert_eq!(guest.record::<Event>(544).error, Errno::Inval.number());
        assert_eq!(guest.call("poll_oneoff", &[0, 512, 0, 900]), Errno::Inval);
        assert_eq!(guest.call("poll_oneoff", &[0, 512, u64::from(u32::MAX), 900]), Errno::Inval);
        assert_eq!(guest.call("poll_oneoff", &[0, 512, u64::from(MAX_SUBSCRIPTIONS), 900]), Errno::Fault);
        assert_eq!(guest.call("poll_oneoff", &[0, guest.end() - 31, 1, 900]), Errno::Fault);
        fd_subscription(&guest, 0, 9, 3, 1);
        assert_eq!(guest.call("poll_oneoff", &[0, 512, 1, 900]), Errno::Inval);
    }

    #[test]
    fn snapshot_0_has_an_identifier_before_the_clock() {
        let guest = Guest::with(Abi::Unstable);
        let due = SubscriptionClockUnstable {
            userdata: 5,
            tag: 0,
            identifier: 1234,
            id: 1,
            timeout: 0,
            precision: 0,
            flags: 0,
        };
        guest.memory.put(0, &due.encode());
        guest.memory.put(56, &SubscriptionClockUnstable { userdata: 6, timeout: u64::MAX, ..due }.encode());
        assert_eq!(guest.call("poll_oneoff", &[0, 512, 2, 900]), Errno::Success);
        assert_eq!((guest.u32(900), guest.record::<Event>(512).userdata), (1, 5));
    }
}
