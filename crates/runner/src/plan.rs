//! The plan of a run, and the guest's context made from it, for both engines.

use super::exchange::Ends;
use super::handover;
use super::host_calls::HostCalls;
use std::fmt;
use std::sync::Arc;
use wasi_rs_core::abi::{Abi, Errno};
use wasi_rs_core::ctx::{Ctx, Fixed, Preopen, Strings, open_error};
use wasi_rs_core::host::file::OwnedHandle;
use wasi_rs_core::host::stream::{Input, Output, Stream};
use wasi_rs_core::host::wait::Interrupt;
use wasi_rs_core::network::Network;
use wasi_rs_core::network::rules::Rule;
use wasi_rs_core::watch::{Form, Selection, Sink, Tally, Trace, Watch};
use wasi_rs_modules::limits::Limits;

/// The plan of a run. Directories are opened when it begins: runs in the queue hold no more than their
/// streams.
#[derive(Debug)]
pub struct Plan {
    /// The command line.
    pub args: Vec<String>,
    /// The environment, each `NAME=value`.
    pub env: Vec<String>,
    /// Its directories.
    pub preopens: Vec<Preopen>,
    /// Standard input, output, error.
    pub stdio: [Stdio; 3],
    /// The most bytes of standard output, and of error, that are captured.
    pub max_buffer: [usize; 2],
    /// Its limits.
    pub limits: Limits,
    /// The most runs that may have begun and not ended, this one included.
    pub concurrency: usize,
    /// The parts of its surroundings that are the same in each run.
    pub fixed: Fixed,
    /// Where its calls are shown, if they are.
    pub trace: Option<Tracing>,
    /// Counts its calls by name, if anybody asks.
    pub tally: Option<Arc<Tally>>,
    /// The functions that the embedder gives the guest, if any.
    pub host: Option<Arc<HostCalls>>,
    /// The rules of its network.
    pub sockets: Vec<Rule>,
    /// Its part in HTTP.
    pub http: Http,
    /// Called when the run begins, with all that it needs open, on any thread.
    pub on_begin: OnBegin,
}

/// The calls that are shown, and where.
#[derive(Debug)]
pub struct Tracing {
    /// Where they are.
    pub to: Destination,
    /// The form of each.
    pub form: Form,
    /// Those that are.
    pub selection: Selection,
}

/// Where calls are shown.
#[derive(Debug)]
pub enum Destination {
    /// There.
    Sink(Sink),
    /// In the file of the ticket with this number.
    Ticket(u64),
}

impl Tracing {
    fn open(self) -> Result<Trace, OpenError> {
        let Self { to, form, selection } = self;
        let gone = || OpenError { errno: Errno::Badf, what: "can't use options.trace".to_owned() };
        let to = match to {
            Destination::Sink(sink) => sink,
            Destination::Ticket(number) => Sink::File(handover::take(number).ok_or_else(gone)?.file),
        };
        Ok(Trace { to, form, selection })
    }
}

/// The part of a run in HTTP.
#[derive(Default)]
pub struct Http {
    /// The numbers of the tickets for the exchange that it is to answer, if it is to be called as a handler.
    pub exchange: Option<Ends<u64>>,
    /// Gets the embedder's ends of each exchange that the guest begins; none if it may begin none.
    pub request: Option<Request>,
}

/// A function that gets the embedder's ends of an exchange.
pub type Request = Box<dyn Fn(Ends<OwnedHandle>) + Send>;

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("is_handler", &self.exchange.is_some()).finish_non_exhaustive()
    }
}

/// A function that is called when a run begins, if anybody wants to know.
#[derive(Default)]
pub struct OnBegin(pub Option<Box<dyn FnOnce() + Send>>);

impl fmt::Debug for OnBegin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnBegin")
    }
}

/// A standard stream.
#[derive(Debug)]
pub enum Stdio {
    /// The descriptor of the ticket with this number.
    Ticket(u64),
    /// These bytes.
    Bytes(Vec<u8>),
    /// Captured for the outcome.
    Capture,
    /// Discarded, or no input.
    Ignore,
}

/// The captures of standard output and error.
#[derive(Clone, Debug, Default)]
pub struct Captures(pub [Option<Arc<Output>>; 2]);

impl Captures {
    /// The name of the stream, if any, to which the guest has written more than is captured.
    pub fn overflowing(&self) -> Option<&'static str> {
        let named = self.0.iter().zip(["stdout", "stderr"]);
        named.flat_map(|(output, name)| output.as_ref().filter(|output| output.is_exceeded()).map(|_| name)).next()
    }

    /// Takes the captured output.
    pub fn take(&self) -> [Option<Vec<u8>>; 2] {
        self.0.each_ref().map(|output| output.as_ref().map(|output| output.take()))
    }
}

/// A file that can't be opened for a guest.
#[derive(Debug)]
pub struct OpenError {
    /// The system's error.
    pub errno: Errno,
    /// The message.
    pub what: String,
}

impl Plan {
    /// Makes the guest's context; its calls are interrupted by `interrupt`.
    pub fn open(self, abi: Abi, interrupt: Box<dyn Interrupt>) -> Result<(Ctx, Captures), OpenError> {
        let too_long =
            |errno| OpenError { errno, what: "options.args and options.env take more than 4 GiB".to_owned() };
        let strings = |list: &[String]| {
            let mut strings = Strings::default();
            list.iter().try_for_each(|string| strings.push(string)).map(|()| strings)
        };
        let (args, env) = (strings(&self.args).map_err(too_long)?, strings(&self.env).map_err(too_long)?);
        let ctx = Ctx::new(abi, args, env).waiting_with(interrupt);
        let trace = self.trace.map(Tracing::open).transpose()?;
        let ctx = ctx.fixing(self.fixed).watching(Watch::of(trace, self.tally)).networking(Network::new(self.sockets));
        let ctx = match self.limits.open_files {
            Some(limit) => ctx.limiting_open_files(limit),
            None => ctx,
        };
        let mut captures = Captures::default();
        let outputs = captures.0.iter_mut().zip(self.max_buffer).map(Some);
        let outputs = [None].into_iter().chain(outputs);
        for ((stdio, output), name) in self.stdio.into_iter().zip(outputs).zip(["stdin", "stdout", "stderr"]) {
            push_stdio(&ctx, stdio, output)
                .map_err(|errno| OpenError { errno, what: open_error(format!("can't use options.{name}"), errno) })?;
        }
        for preopen in self.preopens {
            preopen.push(&ctx).map_err(|(errno, what)| OpenError { errno, what })?;
        }
        Ok((ctx, captures))
    }
}

fn push_stdio(
    ctx: &Ctx,
    stdio: Stdio,
    captured: Option<(&mut Option<Arc<Output>>, usize)>,
) -> wasi_rs_core::abi::errno::Result {
    match (stdio, captured) {
        (Stdio::Ticket(number), _) => {
            let given = handover::take(number).ok_or(Errno::Badf)?;
            ctx.push_stdio(given.file, given.is_host_stream)?
        }
        (Stdio::Ignore, _) => ctx.push_stream(Stream::Output(Arc::new(Output::discarding())))?,
        (Stdio::Bytes(bytes), _) => ctx.push_stream(Stream::Input(Arc::new(Input::new(bytes))))?,
        (Stdio::Capture, None) => return Err(Errno::Inval),
        (Stdio::Capture, Some((captured, limit))) => {
            let output = captured.insert(Arc::new(Output::new(limit)));
            ctx.push_stream(Stream::Output(Arc::clone(output)))?
        }
    };
    Ok(())
}
