//! The property of one guest: its arguments, environment and descriptors.

use crate::abi::errno::{Errno, Result};
use crate::abi::flags::{Clockid, Rights};
use crate::abi::records::Filestat;
use crate::abi::{Abi, Fd};
use crate::descriptors::{Descriptor, Descriptors};
use crate::files::memory::{FIRST_DEVICE, Open};
use crate::files::object::Object;
use crate::host::clocks::{Beginning, Clocks};
use crate::host::dir::open_preopen_unsandboxed;
use crate::host::file::{File, open_files_limit};
use crate::host::random::Random;
use crate::host::readdir::Listings;
use crate::host::stream::Stream;
use crate::host::wait::{Endless, Interest, Interrupt};
use crate::network::Network;
use crate::watch::Watch;
use std::cell::{Cell, Ref, RefCell, RefMut};

/// Descriptors that a guest may have open, unless half of the process's limit is less: the host keeps the
/// rest.
const OPEN_FILES: usize = 16 * 1024;

/// Strings as `args_get` and `environ_get` hand them over: each ends in a NUL, one behind the other.
#[derive(Debug, Default)]
pub struct Strings {
    bytes: Vec<u8>,
    starts: Vec<u32>,
}

impl Strings {
    /// Adds a string, up to a NUL in it, where it ends for the guest. EOVERFLOW when all together are more
    /// than an address can tell.
    pub fn push(&mut self, string: &str) -> Result {
        let string = string.split('\0').next().unwrap_or_default();
        let start = u32::try_from(self.bytes.len()).map_err(|_| Errno::Overflow)?;
        u32::try_from(self.bytes.len() + string.len() + 1).map_err(|_| Errno::Overflow)?;
        self.starts.push(start);
        self.bytes.extend_from_slice(string.as_bytes());
        self.bytes.push(0);
        Ok(())
    }

    /// The offset of each string.
    pub fn starts(&self) -> &[u32] {
        &self.starts
    }

    /// The bytes of all strings.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A directory a guest is to be started with.
#[derive(Debug)]
pub struct Preopen {
    /// The guest's name for it.
    pub name: String,
    /// The directory.
    pub source: PreopenSource,
    /// True if it is for reading only.
    pub read_only: bool,
}

/// A directory for a guest, which is opened when it is started.
#[derive(Debug)]
pub enum PreopenSource {
    /// The host's path.
    Path(String),
    /// A directory in memory.
    Memory(Open),
}

impl Preopen {
    /// Opens it for a guest, under the next number. The error has a message.
    pub fn push(self, ctx: &Ctx) -> std::result::Result<Fd, (Errno, String)> {
        let Self { name, source, read_only } = self;
        match source {
            PreopenSource::Memory(open) => ctx
                .push_preopen(&name, open, read_only)
                .map_err(|errno| (errno, open_error(format!("can't open the preopen '{name}'"), errno))),
            PreopenSource::Path(path) => {
                let opened = open_preopen_unsandboxed(&path).map_err(Errno::from);
                opened.and_then(|dir| ctx.push_preopen(&name, dir, read_only)).map_err(|errno| {
                    (errno, open_error(format!("can't open '{path}' for the preopen '{name}'"), errno))
                })
            }
        }
    }
}

/// Counts of the bytes that a guest has moved through descriptors.
#[derive(Debug, Default)]
pub struct Usage {
    read: Cell<u64>,
    written: Cell<u64>,
}

impl Usage {
    /// Counts the bytes that one call has moved.
    pub fn count(&self, interest: Interest, bytes: u32) {
        let counter = match interest {
            Interest::Read => &self.read,
            Interest::Write => &self.written,
        };
        counter.set(counter.get().wrapping_add(bytes.into()));
    }

    /// Bytes read so far.
    pub const fn read(&self) -> u64 {
        self.read.get()
    }

    /// Bytes written so far.
    pub const fn written(&self) -> u64 {
        self.written.get()
    }
}

/// A message about something that could not be opened for a guest, with advice if too many files were open.
pub fn open_error(what: String, errno: Errno) -> String {
    if errno != Errno::Mfile {
        return what;
    }
    format!(
        "{what} (a program may have `limits.openFiles` open, and none opens more once the process has three quarters of \
         its own limit open: see `ulimit -n`)"
    )
}

/// The parts of a guest's surroundings that are the same in each of its runs.
#[derive(Debug, Default)]
pub struct Fixed {
    /// The beginning of its own clocks.
    pub clock: Option<Beginning>,
    /// The seed of its random bytes.
    pub seed: Option<Vec<u8>>,
    /// True if directories are listed in the order of their names' bytes, and times of files that lie in the
    /// future of its own clock are hidden.
    pub files: bool,
}

/// The context of one guest. It may go from thread to thread, but only one uses it at a time, and none has to
/// keep others out.
#[derive(Debug)]
pub struct Ctx {
    abi: Abi,
    lists_dots: bool,
    watch: Option<Box<Watch>>,
    interrupt: Box<dyn Interrupt>,
    clocks: Clocks,
    /// The numbers of the trees in memory that it has.
    devices: RefCell<Vec<u64>>,
    hides_times: bool,
    random: RefCell<Random>,
    listings: RefCell<Listings>,
    network: Network,
    /// The command line.
    pub args: Strings,
    /// The environment, each entry `NAME=value`.
    pub env: Strings,
    /// Open descriptors.
    pub descriptors: Descriptors,
    /// The bytes it has moved.
    pub usage: Usage,
}

/// The descriptors of a guest that makes no more calls. They are closed when this is dropped, which takes
/// long on a slow file system.
#[allow(dead_code, reason = "what counts is when it is dropped")]
pub struct Released(Descriptors, Box<dyn Interrupt>, Option<Box<Watch>>);

impl Ctx {
    /// A guest with these arguments and variables, and no descriptor yet.
    pub fn new(abi: Abi, args: Strings, env: Strings) -> Self {
        let limit = OPEN_FILES.min(open_files_limit() / 2);
        Self {
            abi,
            lists_dots: true,
            watch: None,
            interrupt: Box::new(Endless),
            clocks: Clocks::default(),
            devices: RefCell::default(),
            hides_times: false,
            random: RefCell::default(),
            listings: RefCell::default(),
            network: Network::default(),
            args,
            env,
            descriptors: Descriptors::new(limit),
            usage: Usage::default(),
        }
    }

    /// True if directories are listed with `.` and `..`.
    #[must_use]
    pub fn listing_dots(self, lists_dots: bool) -> Self {
        Self { lists_dots, ..self }
    }

    /// Has its calls watched, if there is a watch.
    #[must_use]
    pub fn watching(self, watch: Option<Watch>) -> Self {
        Self { watch: watch.map(Box::new), ..self }
    }

    /// Lets it use this network. Without one, it has none.
    #[must_use]
    pub fn networking(self, network: Network) -> Self {
        Self { network, ..self }
    }

    /// Has calls that wait interrupted by this.
    #[must_use]
    pub fn waiting_with(self, interrupt: Box<dyn Interrupt>) -> Self {
        Self { interrupt, ..self }
    }

    /// Has these parts of its surroundings fixed.
    #[must_use]
    pub fn fixing(self, Fixed { clock, seed, files }: Fixed) -> Self {
        let random = seed.map_or_else(Random::default, |seed| Random::of_seed(&seed));
        Self {
            clocks: clock.map_or_else(Clocks::default, Clocks::own),
            random: RefCell::new(random),
            listings: RefCell::new(if files { Listings::sorted() } else { Listings::default() }),
            hides_times: files,
            ..self
        }
    }

    /// Takes out its descriptors, the file for its trace, and its interruption: it makes no call any more.
    #[must_use]
    pub fn release(&mut self) -> Released {
        self.listings.get_mut().clear();
        let descriptors = std::mem::replace(&mut self.descriptors, Descriptors::new(0));
        Released(descriptors, std::mem::replace(&mut self.interrupt, Box::new(Endless)), self.watch.take())
    }

    /// Lets it have at most `limit` descriptors open, if that is less than it may have anyway. To be called
    /// before any is.
    #[must_use]
    pub fn limiting_open_files(self, limit: usize) -> Self {
        let limit = limit.min(self.descriptors.limit());
        Self { descriptors: Descriptors::new(limit), ..self }
    }

    /// Adds a standard stream, which may be the host's own, under the next number: 0, 1, 2. The first is the
    /// guest's input, the others are its outputs.
    pub fn push_stdio(&self, file: File, host_s_own: bool) -> Result<Fd> {
        let way = if self.descriptors.is_empty() { Interest::Read } else { Interest::Write };
        let descriptor = if host_s_own { Descriptor::host_stream(file, way)? } else { Descriptor::stdio(file)? };
        self.descriptors.insert(descriptor)
    }

    /// Adds a standard stream in memory under the next number.
    pub fn push_stream(&self, stream: Stream) -> Result<Fd> {
        self.descriptors.insert(Descriptor::stream(stream))
    }

    /// Adds a socket under the next number.
    pub fn push_socket(&self, socket: File) -> Result<Fd> {
        self.descriptors.insert(Descriptor::stdio(socket)?)
    }

    /// Adds a directory, which the guest knows as `name` (up to a NUL in it), under the next number: 3 and
    /// up.
    pub fn push_preopen(&self, name: &str, dir: impl Into<Object>, read_only: bool) -> Result<Fd> {
        let dir = dir.into();
        if let Object::Memory(open) = &dir
            && !self.devices.borrow().contains(&open.dev())
        {
            self.devices.borrow_mut().push(open.dev());
        }
        let name = name.split('\0').next().unwrap_or_default();
        self.descriptors.insert(Descriptor::preopen(dir, name, read_only))
    }

    /// Numbers that never change for this guest: how many arguments there are and how many bytes they take,
    /// the same of the environment, and the resolution of each clock in nanoseconds.
    pub fn constants(&self) -> [u32; 8] {
        let size = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let resolution = |clock| u32::try_from(self.clocks.resolution(clock).unwrap_or(0)).unwrap_or(u32::MAX);
        [
            size(self.args.starts().len()),
            size(self.args.bytes().len()),
            size(self.env.starts().len()),
            size(self.env.bytes().len()),
            resolution(Clockid::Realtime),
            resolution(Clockid::Monotonic),
            resolution(Clockid::ProcessCputimeId),
            resolution(Clockid::ThreadCputimeId),
        ]
    }

    /// The edition the guest was compiled for.
    pub const fn abi(&self) -> Abi {
        self.abi
    }

    /// True if directories are listed with `.` and `..`.
    pub const fn lists_dots(&self) -> bool {
        self.lists_dots
    }

    /// The watch on its calls, if there is one.
    #[inline]
    pub fn watch(&self) -> Option<&Watch> {
        self.watch.as_deref()
    }

    /// True if a function that was shown a call wants it to end.
    pub fn is_to_end(&self) -> bool {
        self.watch().is_some_and(|watch| watch.is_to_end.get())
    }

    /// Its clocks: whatever a call tells, sets or waits for goes by these. A file that is not the operating
    /// system's has its times by `clocks().shows(Clockid::Realtime)`.
    #[inline]
    pub const fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// The attributes of a file as the guest is told them.
    pub fn shown(&self, stat: Filestat) -> Filestat {
        if !self.hides_times {
            return stat;
        }
        let [atim, mtim, ctim] = [stat.atim, stat.mtim, stat.ctim].map(|time| self.clocks.of_file(time));
        // Trees in memory are numbered in the order of their making, by whomever.
        let devices = self.devices.borrow();
        let number = devices.iter().zip(FIRST_DEVICE..).find(|(dev, _)| **dev == stat.dev).map(|(_, number)| number);
        Filestat { dev: number.unwrap_or(stat.dev), atim, mtim, ctim, ..stat }
    }

    /// The guest's generator of random bytes.
    pub fn random(&self) -> RefMut<'_, Random> {
        self.random.borrow_mut()
    }

    /// Entries and marks of the directories it lists.
    pub fn listings(&self) -> RefMut<'_, Listings> {
        self.listings.borrow_mut()
    }

    /// Tells the time for files in memory, in nanoseconds since 1970.
    pub fn now(&self) -> impl Fn() -> u64 {
        || self.clocks.shows(Clockid::Realtime)
    }

    /// The network that it may use.
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The interruption of its calls.
    pub fn interrupt(&self) -> &dyn Interrupt {
        &*self.interrupt
    }

    /// The descriptor, if it is open (EBADF) and has these rights (ENOTCAPABLE, EROFS).
    #[inline]
    pub fn fd(&self, fd: Fd, needed: Rights) -> Result<Ref<'_, Descriptor>> {
        let descriptor = self.descriptors.get(fd)?;
        descriptor.require(needed)?;
        Ok(descriptor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_in_nul_one_behind_the_other() {
        let mut strings = Strings::default();
        for string in ["a", "\0cut", "žluť 🐎\0cut"] {
            strings.push(string).unwrap();
        }
        assert_eq!(strings.bytes(), "a\0\0žluť 🐎\0".as_bytes());
        assert_eq!(strings.starts(), [0, 2, 3]);
    }

    #[test]
    fn open_files_can_be_limited_within_the_share_of_guests() {
        let ctx = || Ctx::new(Abi::Preview1, Strings::default(), Strings::default());
        assert_eq!(ctx().limiting_open_files(7).descriptors.limit(), 7);
        assert_eq!(ctx().limiting_open_files(usize::MAX).descriptors.limit(), ctx().descriptors.limit());
    }
}
