//! The leases of this process, and the thread that gives them back when somebody is about to change a file.

use super::memories::Memories;
use super::system::{self, Thread};
use std::fs::File;
use std::ops::Range;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use wasmtime::{Engine, Module};

/// The time between two attempts to copy the pages of a file. (The kernel waits for 45 seconds.)
const RETRY: Duration = Duration::from_millis(2);

/// The longest sleep of the thread while there is nothing to do.
const LONG: Duration = Duration::from_secs(3600);

/// The leases of this process.
static WATCH: Watch = Watch::new();

/// A lease on an open file. The file does not change until the lease is dropped, or until all pages that are
/// mapped from the file were copied.
pub struct Lease {
    watch: &'static Watch,
    id: u64,
}

impl Lease {
    /// Takes a lease on a file that is open for reading. `None` if the kernel grants none: while the file is
    /// open for writing, on file systems without leases, and for a file of another user.
    pub fn take(file: &File) -> Option<Self> {
        WATCH.take(file)
    }

    /// Has this module, which is mapped from the file of this descriptor, copied before the file changes.
    pub(super) fn cover(&self, module: &Module, descriptor: RawFd) {
        let mut state = self.watch.state();
        let Some(held) = state.held(self.id) else { return };
        held.image = Some(Image::of(module, descriptor));
        if system::is_breaking(&held.file) {
            state.wake(); // the signal came when there was nothing to copy yet
        }
    }

    /// Registers the memories of an instance that is about to be made: they are copied as well.
    pub(super) fn register(&self, memories: &Arc<Memories>) -> Option<Registration> {
        let mut state = self.watch.state();
        let memories = Arc::clone(memories);
        state.held(self.id)?.memories.push(Arc::clone(&memories));
        Some(Registration { watch: self.watch, id: self.id, memories })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.watch.state();
        if let Some(index) = state.leases.iter().position(|held| held.id == self.id) {
            state.give_back(index);
        }
        if state.leases.is_empty() {
            state.wake();
        }
    }
}

/// The registration of memories that may be mapped from the file of a lease. Dropped after their instance.
pub struct Registration {
    watch: &'static Watch,
    id: u64,
    memories: Arc<Memories>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(held) = self.watch.state().held(self.id) {
            held.memories.retain(|memories| !Arc::ptr_eq(memories, &self.memories));
        }
    }
}

/// A mapped module.
struct Image {
    engine: Engine,
    all: Range<usize>,
    text: Range<usize>,
    /// The descriptor from which the memories of instances are mapped. It is open as long as the module
    /// exists.
    descriptor: RawFd,
    is_copied: bool,
}

impl Image {
    fn of(module: &Module, descriptor: RawFd) -> Self {
        let (all, text) = (module.image_range(), module.text().as_ptr_range());
        Self {
            engine: module.engine().clone(),
            all: all.start.expose_provenance()..all.end.expose_provenance(),
            text: text.start.expose_provenance()..text.end.expose_provenance(),
            descriptor,
            is_copied: false,
        }
    }
}

/// The leases, and the thread that gives them back.
struct Watch(Mutex<State>);

struct State {
    leases: Vec<Held>,
    next_id: u64,
    has_thread: bool,
    /// The thread, once it can receive the signal.
    thread: Option<Thread>,
}

/// A lease, and the module and memories that are mapped under it.
struct Held {
    id: u64,
    file: File,
    image: Option<Image>,
    memories: Vec<Arc<Memories>>,
}

impl Watch {
    const fn new() -> Self {
        Self(Mutex::new(State { leases: Vec::new(), next_id: 0, has_thread: false, thread: None }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&'static self, file: &File) -> Option<Lease> {
        // A second descriptor of the same open file: wasmtime keeps the first.
        let file = file.try_clone().ok()?;
        let mut state = self.state();
        system::take(&file, state.thread).ok()?;
        let id = state.next_id;
        state.next_id += 1;
        state.leases.push(Held { id, file, image: None, memories: Vec::new() });
        if !state.has_thread {
            let thread = thread::Builder::new().name("wasi-rs leases".to_owned());
            state.has_thread = thread.spawn(|| self.work()).is_ok();
        }
        let has_thread = state.has_thread;
        drop(state);
        let lease = Lease { watch: self, id };
        has_thread.then_some(lease)
    }

    fn work(&self) {
        let thread = system::begin();
        let mut state = self.state();
        state.thread = Some(thread);
        // Until now no thread received the signals of these files.
        for held in &state.leases {
            system::set_owner(&held.file, thread);
        }
        loop {
            let is_all_done = state.serve_breaks();
            if state.leases.is_empty() {
                (state.has_thread, state.thread) = (false, None);
                return;
            }
            drop(state);
            system::wait(if is_all_done { LONG } else { RETRY });
            state = self.state();
        }
    }
}

impl State {
    fn held(&mut self, id: u64) -> Option<&mut Held> {
        self.leases.iter_mut().find(|held| held.id == id)
    }

    /// Copies the mapped pages of files that somebody is about to change, and gives those leases back. True
    /// if all could be copied.
    fn serve_breaks(&mut self) -> bool {
        let mut is_all_done = true;
        for index in (0..self.leases.len()).rev() {
            match self.leases.get_mut(index).map(Held::serve_break) {
                Some(Break::Copied) => self.give_back(index),
                Some(Break::Pending) => is_all_done = false,
                Some(Break::NotRequested) | None => {}
            }
        }
        is_all_done
    }

    fn give_back(&mut self, index: usize) {
        system::give_back(&self.leases.swap_remove(index).file);
    }

    fn wake(&self) {
        if let Some(thread) = self.thread {
            system::wake(thread);
        }
    }
}

/// The state of a lease when somebody may be about to change its file.
enum Break {
    /// Nobody waits for the lease, or nothing is mapped yet.
    NotRequested,
    /// Some pages could not be copied yet.
    Pending,
    /// No page is mapped from the file any more.
    Copied,
}

impl Held {
    fn serve_break(&mut self) -> Break {
        let Some(image) = self.image.as_mut().filter(|_| system::is_breaking(&self.file)) else {
            return Break::NotRequested;
        };
        if !image.is_copied {
            // From here on, new instances are made from the copy.
            image.is_copied = system::detach(&image.all, &image.text, image.descriptor).is_ok();
        }
        self.memories.retain(|memories| !memories.detach());
        if image.is_copied && self.memories.is_empty() {
            return Break::Copied;
        }
        // Makes guests in loops check for the request.
        image.engine.increment_epoch();
        Break::Pending
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the test's own files")]
mod tests {
    use super::*;
    use crate::lease::Loaded;
    use crate::mode::Mode;
    use crate::raw;
    use std::fmt::Write as _;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
    use std::time::Instant;
    use wasmtime::{Instance, Store, UpdateDeadline};

    type Change<'a> = &'a dyn Fn(&Path);

    const FUNCTIONS: u32 = 4000;
    const PAGES: i32 = 8;

    /// A module with a lot of code, in two halves, and data in each page of its memory.
    fn text() -> String {
        let mut text = format!("(module (memory (export \"memory\") {PAGES})");
        for page in 0..PAGES {
            write!(text, r#"(data (i32.const {}) "{}")"#, page << 16, page).unwrap();
        }
        for index in 0..FUNCTIONS {
            let (factor, mask) = (index + 3, index * 77);
            write!(
                text,
                "(func $f{index} (param i32) (result i32)
                   (i32.xor (i32.mul (local.get 0) (i32.const {factor})) (i32.const {mask})))"
            )
            .unwrap();
        }
        for (name, functions) in [("early", 0..FUNCTIONS / 2), ("late", FUNCTIONS / 2..FUNCTIONS)] {
            write!(text, r#"(func (export "{name}") (param i32) (result i32) local.get 0"#).unwrap();
            functions.for_each(|index| write!(text, " call $f{index}").unwrap());
            text.push(')');
        }
        text + r#"(func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0)))
            (func (export "poke") (param i32) (result i32) (i32.store8 (local.get 0) (i32.const 120)) (i32.const 0))
            (func (export "count") (param i32) (result i32) (local i32) (loop
                (i32.store8 (i32.const 65536) (local.get 1))
                (if (i32.ne (i32.load8_u (i32.const 65536)) (i32.and (local.get 1) (i32.const 255))) (then (return (i32.const -1))))
                (local.set 1 (i32.add (local.get 1) (i32.const 1)))
                (br_if 0 (i32.lt_u (local.get 1) (local.get 0)))) (local.get 1)))"#
    }

    fn expected(mut number: i32, functions: Range<u32>) -> i32 {
        for index in functions {
            number = number.wrapping_mul((index + 3).cast_signed()) ^ (index * 77).cast_signed();
        }
        number
    }

    /// An instance of the module. Between its calls, its run counts as waiting.
    struct Guest {
        store: Store<()>,
        instance: Instance,
        memories: Arc<Memories>,
        _registration: Option<Registration>,
    }

    impl Guest {
        fn new(loaded: &Loaded) -> Self {
            let memories = Arc::new(Memories::default());
            let registration = loaded.register(&memories);
            let mut store = Store::new(loaded.module.engine(), ());
            let own = Arc::clone(&memories);
            store.epoch_deadline_callback(move |_| {
                own.check();
                Ok(UpdateDeadline::Continue(1))
            });
            store.set_epoch_deadline(1);
            let instance = Instance::new(&mut store, &loaded.module, &[]).unwrap();
            memories.record(&instance, &mut store);
            memories.release();
            Self { store, instance, memories, _registration: registration }
        }

        fn call(&mut self, name: &str, number: i32) -> i32 {
            self.memories.acquire();
            let function = self.instance.get_typed_func::<i32, i32>(&mut self.store, name).unwrap();
            let result = function.call(&mut self.store, number).unwrap();
            self.memories.release();
            result
        }

        fn check(&mut self, name: &str, number: i32) {
            let functions = if name == "early" { 0..FUNCTIONS / 2 } else { FUNCTIONS / 2..FUNCTIONS };
            assert_eq!(self.call(name, number), expected(number, functions), "{name}");
        }

        /// Checks that each page holds its number, or the byte that was written to it.
        fn check_data(&mut self, written: impl Fn(i32) -> Option<u8>) {
            for page in 0..PAGES {
                let number = b'0' + u8::try_from(page).unwrap();
                assert_eq!(self.call("peek", page << 16), i32::from(written(page).unwrap_or(number)));
            }
        }
    }

    /// Sets a flag that ends the threads, also after a failed assertion.
    struct End<'a>(&'a AtomicBool);

    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }

    struct Kept {
        _root: tempfile::TempDir,
        path: PathBuf,
        watch: &'static Watch,
    }

    /// The module's machine code, in a file.
    fn kept() -> Kept {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("code");
        let engine = Mode::default().engine().unwrap();
        fs::write(&path, engine.precompile_module(&wat::parse_str(text()).unwrap()).unwrap()).unwrap();
        Kept { _root: root, path, watch: Box::leak(Box::new(Watch::new())) }
    }

    impl Kept {
        fn take(&self) -> Option<Lease> {
            self.watch.take(&File::open(&self.path).unwrap())
        }

        /// A lease, as soon as there is one: a child process of another test may hold the file open for
        /// writing until it calls exec.
        fn take_soon(&self) -> (File, Lease) {
            until("nobody writes", || self.take().is_some());
            let file = File::open(&self.path).unwrap();
            let lease = self.watch.take(&file).unwrap();
            (file, lease)
        }

        fn load(&self) -> Loaded {
            let (file, lease) = self.take_soon();
            raw::deserialize(&Mode::default().engine().unwrap(), file, lease).unwrap()
        }

        fn is_mapped(&self) -> bool {
            fs::read_to_string("/proc/self/maps").unwrap().contains(self.path.to_str().unwrap())
        }

        fn descriptors(&self) -> usize {
            let open = fs::read_dir("/proc/self/fd").unwrap().map(|entry| fs::read_link(entry.unwrap().path()));
            open.filter(|target| target.as_ref().is_ok_and(|target| *target == self.path)).count()
        }
    }

    /// Waits for a condition, up to a minute.
    fn until(what: &str, is_so: impl Fn() -> bool) {
        let begin = Instant::now();
        while !is_so() {
            assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
            thread::yield_now();
        }
    }

    fn open_to_write(path: &Path) -> File {
        File::options().write(true).open(path).unwrap()
    }

    #[test]
    fn guests_continue_when_the_file_is_changed() {
        let shell = |script: &str, path: &Path| {
            assert!(Command::new("sh").args(["-c", script, "sh"]).arg(path).status().unwrap().success());
        };
        let changes: [(&str, Change<'_>); 5] = [
            ("cut off", &|path| drop(File::create(path).unwrap())),
            ("cut off by another process", &|path| shell(": >\"$1\"", path)),
            ("opened to write", &|path| drop(open_to_write(path))),
            ("written over", &|path| fs::write(path, vec![0xcc; 4 << 20]).unwrap()),
            ("written over by another process", &|path| shell("echo no code >\"$1\"", path)),
        ];
        for (what, change) in changes {
            let kept = kept();
            let loaded = kept.load();
            let mut waiting = Guest::new(&loaded);
            waiting.call("poke", 2 << 16);
            assert!(kept.is_mapped(), "{what}");
            let (is_over, rounds) = (AtomicBool::new(false), AtomicU32::new(0));
            thread::scope(|scope| {
                for seed in 0..2 {
                    let (loaded, is_over, rounds) = (&loaded, &is_over, &rounds);
                    scope.spawn(move || {
                        let mut guest = Guest::new(loaded);
                        loop {
                            guest.check("early", seed);
                            assert_eq!(guest.call("count", 10_000), 10_000, "what was written is there");
                            rounds.fetch_add(1, Relaxed);
                            if is_over.load(Relaxed) {
                                break;
                            }
                        }
                        guest.check("late", seed);
                        guest.check_data(|page| (page == 1).then_some(15)); // 9999 in one byte
                    });
                }
                let go_on = || {
                    let before = rounds.load(Relaxed);
                    until("it runs", || rounds.load(Relaxed) > before + 2);
                };
                let _end = End(&is_over);
                go_on();
                change(&kept.path);
                assert!(!kept.is_mapped(), "{what}");
                go_on();
            });
            waiting.check_data(|page| (page == 2).then_some(b'x'));
            let mut new = Guest::new(&loaded);
            new.check("late", 7);
            new.check_data(|_| None);
        }
    }

    #[test]
    fn all_modules_of_one_file_are_copied() {
        let kept = kept();
        let all = [kept.load(), kept.load(), kept.load()];
        drop(File::create(&kept.path).unwrap());
        assert!(!kept.is_mapped());
        for loaded in &all {
            Guest::new(loaded).check("late", 1);
        }
    }

    #[test]
    fn a_writer_that_comes_before_the_mapping_waits_for_the_copy() {
        let kept = kept();
        let (file, lease) = kept.take_soon();
        let path = kept.path.clone();
        let writer = thread::spawn(move || drop(File::create(path).unwrap()));
        until("it is asked for", || system::is_breaking(&file));
        assert_ne!(file.metadata().unwrap().len(), 0);
        let loaded = raw::deserialize(&Mode::default().engine().unwrap(), file, lease).unwrap();
        writer.join().unwrap();
        Guest::new(&loaded).check("late", 1);
    }

    #[test]
    fn no_lease_is_taken_while_the_file_is_open_for_writing() {
        let kept = kept();
        let writer = open_to_write(&kept.path);
        assert!(kept.take().is_none());
        assert_eq!(kept.descriptors(), 1);
        assert!(!kept.watch.state().has_thread);
        drop(writer);
        until("nobody writes", || kept.take().is_some());
        assert!(kept.watch.take(&open_to_write(&kept.path)).is_none(), "it is open for writing itself");
        assert!(kept.watch.take(&File::open("/").unwrap()).is_none(), "a directory has none");
    }

    #[test]
    fn a_guest_in_a_loop_copies_its_memory_there() {
        let kept = kept();
        let loaded = kept.load();
        thread::scope(|scope| {
            let runs = scope.spawn(|| Guest::new(&loaded).call("count", i32::MAX));
            until("it has begun", || {
                let state = kept.watch.state();
                state.leases[0].memories.len() == 1
            });
            drop(File::create(&kept.path).unwrap());
            assert!(!runs.is_finished(), "it was long enough");
            assert!(!kept.is_mapped());
            assert_eq!(runs.join().unwrap(), i32::MAX);
        });
    }

    #[test]
    fn a_module_whose_memories_can_not_be_copied_is_copied_at_once() {
        let kept = kept();
        let engine = Mode::default().engine().unwrap();
        let data = r#"(data (i32.const 0) "text") (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0)))"#;
        for memories in ["(memory 1)", r#"(import "env" "memory" (memory 0)) (memory (export "memory") 1)"#] {
            let text = format!("(module {memories} {data})");
            let code = engine.precompile_module(&wat::parse_str(text).unwrap()).unwrap();
            fs::write(&kept.path, code).unwrap();
            let loaded = kept.load();
            assert!(loaded.lease.is_none() && !kept.is_mapped(), "{memories}");
        }
    }

    #[test]
    fn a_guest_gets_eagain_when_it_opens_a_leased_file_through_a_link() {
        use wasi_rs_core::abi::Errno;
        use wasi_rs_core::abi::flags::{Fdflags, Oflags};
        use wasi_rs_core::host::dir::{OpenHow, open_preopen_unsandboxed};
        let kept = kept();
        let link = kept.path.with_file_name("link");
        std::os::unix::fs::symlink(&kept.path, &link).unwrap();
        let link = std::ffi::CString::new(link.to_str().unwrap().trim_start_matches('/')).unwrap();
        let root = open_preopen_unsandboxed("/").unwrap();
        let how =
            OpenHow { follow: true, oflags: Oflags::empty(), fdflags: Fdflags::empty(), read: false, write: true };
        let (_, lease) = kept.take_soon();
        assert_eq!(root.open_at(&link, &how).unwrap_err(), Errno::Again);
        drop(lease);
        root.open_at(&link, &how).unwrap();
    }

    #[test]
    fn mapping_descriptors_and_thread_end_with_the_module() {
        let kept = kept();
        for _ in 0..3 {
            let (one, other) = (kept.load(), kept.load());
            let clone = one.module.clone();
            drop(one);
            assert!(kept.watch.state().has_thread);
            drop(other);
            until("the thread ends", || !kept.watch.state().has_thread);
            drop(clone);
            assert!(!kept.is_mapped());
            assert_eq!(kept.descriptors(), 0);
            drop(open_to_write(&kept.path));
        }
        // The same after the lease was given back.
        let loaded = kept.load();
        drop(open_to_write(&kept.path));
        until("the thread ends", || !kept.watch.state().has_thread);
        drop(loaded);
        assert_eq!(kept.descriptors(), 0);
    }

    #[test]
    fn many_threads_may_take_and_drop_leases() {
        let kept = kept();
        drop(kept.take_soon());
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        drop(kept.watch.take(&File::open(&kept.path).unwrap()).unwrap());
                    }
                });
            }
        });
        until("the thread ends", || !kept.watch.state().has_thread);
    }
}
