//! WASI 0.2 for components: wasi:cli, io, clocks, random, filesystem, http and sockets, over the system
//! calls.
//!
//! | module | interfaces |
//! | --- | --- |
//! | [`calls`], [`scratch`] | the system calls that the others make, with parameters and results of Rust |
//! | [`cli`] | wasi:cli |
//! | [`clocks`] | wasi:clocks, wasi:random |
//! | [`errors`] | errors of system calls as those of the interfaces |
//! | [`filesystem`], [`listing`] | wasi:filesystem |
//! | [`frequent`] | some of their functions, with less copying |
//! | [`http`] | wasi:http |
//! | [`poll`], [`streams`] | wasi:io |
//! | [`sockets`] | wasi:sockets |

mod calls;
mod cli;
mod clocks;
mod errors;
mod filesystem;
mod frequent;
mod http;
mod listing;
pub mod p3;
mod poll;
mod scratch;
mod sockets;
mod streams;

use crate::system::System;
use calls::{Calls, Made};
use errors::Failed;
use http::budget::Budget;
use http::exchange::Exchange;
use scratch::Scratch;
use std::sync::{Arc, OnceLock};
use wasi_rs_core::abi::flags::{Filetype, Rights};
use wasmtime::Result;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

/// The bindings that are made of the interfaces.
#[allow(missing_docs, reason = "made of wit/, which documents nothing")]
#[allow(clippy::all, clippy::cast_lossless, clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "made")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "wasi-rs:host/host",
        imports: { default: trappable },
        trappable_error_type: {
            "wasi:io/streams.stream-error" => super::errors::StreamFailed,
            "wasi:filesystem/types.error-code" => super::errors::Failed,
            "wasi:sockets/network.error-code" => super::sockets::errors::SocketFailed,
        },
        with: {
            "wasi:io/error.error": super::errors::IoError,
            "wasi:io/poll.pollable": super::poll::Pollable,
            "wasi:io/streams.input-stream": super::streams::InputStream,
            "wasi:io/streams.output-stream": super::streams::OutputStream,
            "wasi:filesystem/types.descriptor": super::filesystem::Descriptor,
            "wasi:filesystem/types.directory-entry-stream": super::listing::Listing,
            "wasi:cli/terminal-input.terminal-input": super::cli::Terminal,
            "wasi:cli/terminal-output.terminal-output": super::cli::Terminal,
            "wasi:http/types.fields": super::http::fields::Fields,
            "wasi:http/types.incoming-request": super::http::incoming::IncomingRequest,
            "wasi:http/types.incoming-response": super::http::incoming::IncomingResponse,
            "wasi:http/types.incoming-body": super::http::incoming::IncomingBody,
            "wasi:http/types.future-trailers": super::http::incoming::FutureTrailers,
            "wasi:http/types.future-incoming-response": super::http::incoming::FutureIncomingResponse,
            "wasi:http/types.outgoing-request": super::http::outgoing::OutgoingRequest,
            "wasi:http/types.outgoing-response": super::http::outgoing::OutgoingResponse,
            "wasi:http/types.outgoing-body": super::http::outgoing::OutgoingBody,
            "wasi:http/types.request-options": super::http::outgoing::RequestOptions,
            "wasi:http/types.response-outparam": super::http::outgoing::ResponseOutparam,
            "wasi:sockets/network.network": super::sockets::network::Network,
            "wasi:sockets/ip-name-lookup.resolve-address-stream": super::sockets::lookup::ResolveAddressStream,
            "wasi:sockets/tcp.tcp-socket": super::sockets::tcp::TcpSocket,
            "wasi:sockets/udp.udp-socket": super::sockets::udp::UdpSocket,
            "wasi:sockets/udp.incoming-datagram-stream": super::sockets::udp::IncomingDatagramStream,
            "wasi:sockets/udp.outgoing-datagram-stream": super::sockets::udp::OutgoingDatagramStream,
        },
    });
}

pub use http::incoming::IncomingRequest;
pub use http::outgoing::ResponseOutparam;

use bindings::wasi as generated;

/// The most resources that a guest may have open at once.
const MOST_RESOURCES: usize = 1 << 16;

/// The state of WASI 0.2 for one guest.
#[derive(Debug)]
pub struct Wasi {
    table: ResourceTable,
    /// The memory of its system calls.
    scratch: Scratch,
    /// Each listing of a directory that is open has one more owner of this.
    listings: Arc<()>,
    /// The seed for random numbers that need not be secret, once it was asked for.
    seed: Option<(u64, u64)>,
    /// The things it waits for, in WASI 0.3.
    reactor: Arc<p3::Reactor>,
    /// The memory that messages of HTTP take.
    budget: Budget,
    /// Each exchange of HTTP that is open has one more owner of this.
    requests: Arc<()>,
}

impl Wasi {
    /// The number of exchanges of HTTP that are open.
    fn requests_open(&self) -> usize {
        Arc::strong_count(&self.requests).saturating_sub(1)
    }
}

impl Default for Wasi {
    fn default() -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_RESOURCES);
        Self {
            table,
            scratch: Scratch::default(),
            listings: Arc::default(),
            seed: None,
            reactor: Arc::default(),
            budget: Budget::default(),
            requests: Arc::default(),
        }
    }
}

/// A guest as the interfaces see it, for the time of a call.
pub struct View<'a> {
    /// Its state.
    pub wasi: &'a mut Wasi,
    /// Its system calls.
    pub system: &'a mut dyn System,
}

/// The way from the data of a store to a [`View`].
pub struct Views;

impl HasData for Views {
    type Data<'a> = View<'a>;
}

/// A descriptor of the system calls. Resources that were made of each other share it.
#[derive(Debug)]
pub struct OpenFile {
    fd: u32,
    /// False for those that the guest began with, which stay open.
    is_to_close: bool,
    /// Its type, and the rights of those that are opened through it, once they were asked for.
    kind: OnceLock<(Option<Filetype>, Rights)>,
}

impl OpenFile {
    const fn new(fd: u32, is_to_close: bool) -> Self {
        Self { fd, is_to_close, kind: OnceLock::new() }
    }

    /// Its type, and the rights of those that are opened through it. Neither changes.
    fn kind(&self, calls: &mut Calls<'_>) -> Made<(Option<Filetype>, Rights)> {
        if let Some(kind) = self.kind.get() {
            return Ok(*kind);
        }
        let stat = calls.fdstat(self.fd)?;
        let kind = (Filetype::from_number(stat.filetype).ok(), Rights::from_bits_truncate(stat.rights_inheriting));
        Ok(*self.kind.get_or_init(|| kind))
    }
}

impl View<'_> {
    fn calls(&mut self) -> Calls<'_> {
        Calls::new(self.system, &mut self.wasi.scratch)
    }

    /// The parameters of a handler of HTTP, for the exchange of these sockets. Waits for the request.
    pub fn exchange(&mut self, sockets: [u32; 2]) -> Result<(Resource<IncomingRequest>, Resource<ResponseOutparam>)> {
        let exchange = Arc::new(Exchange::new(sockets, &self.wasi.requests));
        let response = self.response_outparam(Arc::clone(&exchange))?;
        Ok((self.incoming_request(exchange)?, response))
    }

    /// Puts a resource in the table that has a descriptor of its own, which is closed if there is no room.
    fn push_open<R: Send + 'static>(&mut self, resource: R, fd: u32) -> Result<Resource<R>> {
        match self.wasi.table.push(resource) {
            Ok(resource) => Ok(resource),
            Err(error) => {
                self.calls().close(fd)?;
                Err(error.into())
            }
        }
    }

    /// Drops one owner of a descriptor, and closes it after the last.
    fn release(&mut self, file: Arc<OpenFile>) -> Result<()> {
        match Arc::into_inner(file) {
            Some(OpenFile { fd, is_to_close: true, .. }) => self.calls().close(fd),
            _ => Ok(()),
        }
    }
}

/// Defines the interfaces of WASI 0.2 in a linker.
pub fn link<T: 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_>) -> Result<()> {
    use generated::{cli, clocks, filesystem, http, io, random, sockets};
    cli::environment::add_to_linker::<T, Views>(linker, view)?;
    cli::exit::add_to_linker::<T, Views>(linker, view)?;
    cli::stdin::add_to_linker::<T, Views>(linker, view)?;
    cli::stdout::add_to_linker::<T, Views>(linker, view)?;
    cli::stderr::add_to_linker::<T, Views>(linker, view)?;
    cli::terminal_input::add_to_linker::<T, Views>(linker, view)?;
    cli::terminal_output::add_to_linker::<T, Views>(linker, view)?;
    cli::terminal_stdin::add_to_linker::<T, Views>(linker, view)?;
    cli::terminal_stdout::add_to_linker::<T, Views>(linker, view)?;
    cli::terminal_stderr::add_to_linker::<T, Views>(linker, view)?;
    clocks::monotonic_clock::add_to_linker::<T, Views>(linker, view)?;
    clocks::wall_clock::add_to_linker::<T, Views>(linker, view)?;
    filesystem::types::add_to_linker::<T, Views>(linker, view)?;
    filesystem::preopens::add_to_linker::<T, Views>(linker, view)?;
    http::types::add_to_linker::<T, Views>(linker, view)?;
    http::outgoing_handler::add_to_linker::<T, Views>(linker, view)?;
    io::error::add_to_linker::<T, Views>(linker, view)?;
    io::poll::add_to_linker::<T, Views>(linker, view)?;
    io::streams::add_to_linker::<T, Views>(linker, view)?;
    random::random::add_to_linker::<T, Views>(linker, view)?;
    random::insecure::add_to_linker::<T, Views>(linker, view)?;
    random::insecure_seed::add_to_linker::<T, Views>(linker, view)?;
    let all = sockets::network::LinkOptions::default().network_error_code(true).to_owned();
    sockets::network::add_to_linker::<T, Views>(linker, &all, view)?;
    sockets::instance_network::add_to_linker::<T, Views>(linker, view)?;
    sockets::ip_name_lookup::add_to_linker::<T, Views>(linker, view)?;
    sockets::tcp::add_to_linker::<T, Views>(linker, view)?;
    sockets::tcp_create_socket::add_to_linker::<T, Views>(linker, view)?;
    sockets::udp::add_to_linker::<T, Views>(linker, view)?;
    sockets::udp_create_socket::add_to_linker::<T, Views>(linker, view)?;
    frequent::link(linker, view)
}

/// The interfaces of WASI 0.2, without their versions.
const KNOWN: [&str; 29] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/types",
    "wasi:filesystem/preopens",
    "wasi:http/types",
    "wasi:http/outgoing-handler",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/random",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:sockets/network",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// True if an import of this name (`wasi:io/streams@0.2.3`) is one that [`link`] defines, or [`p3::link`].
pub fn is_known(import: &str) -> bool {
    let Some((name, version)) = import.split_once('@') else { return false };
    // A draft, such as 0.2.0-rc-2023-11-10, is another version.
    let is_of = |minor: &str| {
        let patch = version.strip_prefix(minor);
        patch.is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
    };
    (is_of("0.2.") && KNOWN.contains(&name)) || (is_of("0.3.") && p3::is_known(name))
}
