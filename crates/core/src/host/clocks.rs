//! The clocks of a guest: the system's, or its own, which move only by what the guest does.
//!
//! Its own clocks show the same in each run: they go on by a step whenever the guest looks at one, and by the
//! whole of a wait, which takes no time. Both move together, and those of the processor show what the
//! monotonic one shows.

use super::clock;
use super::handle::{File, SetTime};
use super::readiness::{Interest, Ready};
use super::wait::{Interrupt, wait};
use crate::abi::errno::{Errno, Result};
use crate::abi::flags::Clockid;
use smallvec::SmallVec;
use std::cell::Cell;

/// The beginning of clocks of a guest's own, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// The time of day, since 1970.
    pub realtime: u64,
    /// The time that the monotonic clock shows.
    pub monotonic: u64,
    /// The step of both at each look.
    pub step: u64,
}

/// The resolution of a guest's own clocks: they can show any nanosecond.
const RESOLUTION: u64 = 1;

/// The clocks of a guest.
#[derive(Debug, Default)]
pub struct Clocks(Option<Own>);

#[derive(Debug)]
struct Own {
    beginning: Beginning,
    realtime: Cell<u64>,
    monotonic: Cell<u64>,
    /// The time that the guest has waited.
    waited: Cell<u64>,
}

fn add(cell: &Cell<u64>, nanoseconds: u64) {
    cell.set(cell.get().saturating_add(nanoseconds));
}

impl Own {
    const fn shows(&self, clock: Clockid) -> u64 {
        match clock {
            Clockid::Realtime => self.realtime.get(),
            _ => self.monotonic.get(),
        }
    }

    fn pass(&self, nanoseconds: u64) {
        add(&self.realtime, nanoseconds);
        add(&self.monotonic, nanoseconds);
    }
}

impl Clocks {
    /// Clocks of a guest's own.
    pub const fn own(beginning: Beginning) -> Self {
        let Beginning { realtime, monotonic, .. } = beginning;
        let (realtime, monotonic, waited) = (Cell::new(realtime), Cell::new(monotonic), Cell::new(0));
        Self(Some(Own { beginning, realtime, monotonic, waited }))
    }

    /// The time that a clock shows to the guest, which looks at it.
    #[inline]
    pub fn look(&self, clock: Clockid) -> u64 {
        let shown = self.shows(clock);
        self.step();
        shown
    }

    /// Counts a look of the guest's.
    pub fn step(&self) {
        if let Some(own) = &self.0 {
            own.pass(own.beginning.step);
        }
    }

    /// The time that a clock shows. It is no look of the guest's: a file that is changed now gets this time.
    #[inline]
    pub fn shows(&self, clock: Clockid) -> u64 {
        match &self.0 {
            None => clock::now(clock),
            Some(own) => own.shows(clock),
        }
    }

    /// The resolution of a clock; EINVAL for one that can't be read.
    pub fn resolution(&self, clock: Clockid) -> Result<u64> {
        if self.0.is_some() { Ok(RESOLUTION) } else { clock::resolution(clock) }
    }

    /// Sets the guest's own clocks to what the embedder says, and the time that it has waited on top.
    pub fn set(&self, realtime: Option<u64>, monotonic: Option<u64>) {
        let Some(own) = &self.0 else { return };
        for (clock, time) in [(&own.realtime, realtime), (&own.monotonic, monotonic)] {
            if let Some(time) = time {
                clock.set(time.saturating_add(own.waited.get()));
            }
        }
    }

    /// The setting of a file's time to the present: a look of the guest's.
    pub fn present(&self) -> SetTime {
        if self.0.is_some() { SetTime::To(self.look(Clockid::Realtime)) } else { SetTime::Now }
    }

    /// The time of a file, of which the operating system says this. One that lies in the future of the
    /// guest's own clock, as all do that the system's clock has set, is shown as the beginning of that clock.
    pub fn of_file(&self, time: u64) -> u64 {
        match &self.0 {
            Some(own) if time > own.realtime.get() => own.beginning.realtime,
            _ => time,
        }
    }

    /// The moment at which a clock shows this time, for [`Self::wait`].
    pub fn moment(&self, clock: Clockid, time: u64) -> Moment {
        Moment(match (&self.0, clock) {
            (Some(own), _) => time.saturating_sub(own.shows(clock)),
            (None, Clockid::Monotonic) => time,
            (None, _) => {
                let left = time.saturating_sub(clock::now(clock));
                clock::now(Clockid::Monotonic).saturating_add(left)
            }
        })
    }

    /// Waits until one of `files` is ready or the moment has come, whichever is first; tells the state of
    /// each. ECANCELED when interrupted.
    ///
    /// By clocks of the guest's own, it has come at once where there is no file to wait for. Otherwise files
    /// have so much of the system's time; and where it passes without any, the clocks go on by it.
    pub fn wait(
        &self,
        files: &[(&File, Interest)],
        until: Option<Moment>,
        interrupt: &dyn Interrupt,
    ) -> Result<SmallVec<[Ready; 4]>> {
        let Some(own) = &self.0 else {
            return wait(files, until.map(|Moment(deadline)| deadline), interrupt);
        };
        let left = until.map(|Moment(left)| left);
        let ready = match left {
            Some(_) if files.is_empty() && interrupt.is_interrupted() => return Err(Errno::Canceled),
            Some(_) if files.is_empty() => SmallVec::new(),
            _ => {
                let deadline = left.map(|left| clock::now(Clockid::Monotonic).saturating_add(left));
                wait(files, deadline, interrupt)?
            }
        };
        if !ready.iter().any(|file| file.ready) {
            let left = left.unwrap_or(0);
            own.pass(left);
            add(&own.waited, left);
        }
        Ok(ready)
    }
}

/// A moment that a guest waits for.
///
/// Of the system's clocks it is a time of the monotonic one; of a guest's own, the time that is left. Both
/// have 0 for what has come already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// One that has come.
    pub const PAST: Self = Self(0);
}

#[cfg(test)]
mod tests {
    use super::super::interrupt::Endless;
    use super::super::interrupt::testing::Looks;
    use super::*;

    const BEGINNING: Beginning = Beginning { realtime: 1_000_000, monotonic: 500, step: 7 };

    #[test]
    fn each_look_is_a_step_of_all_clocks_and_nothing_else_is() {
        let clocks = Clocks::own(BEGINNING);
        assert_eq!(clocks.look(Clockid::Realtime), 1_000_000);
        assert_eq!(clocks.look(Clockid::Monotonic), 507);
        assert_eq!(clocks.look(Clockid::ProcessCputimeId), 514);
        assert_eq!(clocks.look(Clockid::ThreadCputimeId), 521);
        assert_eq!(clocks.present(), SetTime::To(1_000_028));
        assert_eq!((clocks.shows(Clockid::Realtime), clocks.shows(Clockid::Realtime)), (1_000_035, 1_000_035));
        assert_eq!(clocks.resolution(Clockid::ThreadCputimeId), Ok(RESOLUTION));
    }

    #[test]
    fn a_wait_for_time_alone_takes_none_and_moves_both_clocks() {
        let clocks = Clocks::own(BEGINNING);
        let year = 31_536_000_000_000_000;
        let at = clocks.moment(Clockid::Monotonic, 500 + year);
        assert_eq!(clocks.wait(&[], Some(at), &Endless).map(|ready| ready.len()), Ok(0));
        assert_eq!((clocks.shows(Clockid::Monotonic), clocks.shows(Clockid::Realtime)), (500 + year, 1_000_000 + year));
        // The end of all time is reached by both.
        for clock in [Clockid::Monotonic, Clockid::Realtime] {
            let at = clocks.moment(clock, u64::MAX);
            clocks.wait(&[], Some(at), &Endless).unwrap();
            assert_eq!(clocks.shows(clock), u64::MAX);
        }
        assert_eq!(clocks.wait(&[], Some(Moment::PAST), &Looks::new(0)).map(drop), Err(Errno::Canceled));
    }

    #[test]
    fn files_have_the_time_of_the_wait() {
        let clocks = Clocks::own(BEGINNING);
        let (reader, writer) = std::io::pipe().unwrap();
        let reader = File::from(super::super::handle::OwnedHandle::from(reader));
        let wait = || {
            let at = clocks.moment(Clockid::Monotonic, clocks.shows(Clockid::Monotonic) + 3_000_000);
            let before = clock::now(Clockid::Monotonic);
            let ready = clocks.wait(&[(&reader, Interest::Read)], Some(at), &Endless).unwrap();
            (ready[0].ready, clock::now(Clockid::Monotonic) - before)
        };
        let (is_ready, took) = wait();
        assert!(!is_ready && took >= 3_000_000, "{took}");
        assert_eq!(clocks.shows(Clockid::Monotonic), 3_000_500);
        drop(writer);
        assert!(wait().0);
        assert_eq!(clocks.shows(Clockid::Monotonic), 3_000_500, "how long a file was waited for is not told");
    }

    #[test]
    fn the_embedder_sets_them_and_waits_come_on_top() {
        let clocks = Clocks::own(BEGINNING);
        clocks.set(Some(5_000), None);
        assert_eq!((clocks.shows(Clockid::Realtime), clocks.shows(Clockid::Monotonic)), (5_000, 500));
        clocks.wait(&[], Some(clocks.moment(Clockid::Realtime, 5_100)), &Endless).unwrap();
        clocks.set(Some(5_001), Some(2));
        assert_eq!((clocks.shows(Clockid::Realtime), clocks.shows(Clockid::Monotonic)), (5_101, 102));
    }

    #[test]
    fn times_of_files_in_the_guest_s_future_are_its_beginning() {
        let clocks = Clocks::own(BEGINNING);
        assert_eq!(
            [0, 1_000_000, 1_000_001, u64::MAX].map(|time| clocks.of_file(time)),
            [0, 1_000_000, 1_000_000, 1_000_000]
        );
        clocks.step();
        assert_eq!([1_000_007, 1_000_008].map(|time| clocks.of_file(time)), [1_000_007, 1_000_000]);
        assert_eq!(Clocks::default().of_file(u64::MAX), u64::MAX);
    }
}
