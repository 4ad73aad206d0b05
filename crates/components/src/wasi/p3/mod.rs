//! WASI 0.3 for components: the interfaces of 0.2 with streams, futures and asynchronous functions, over the
//! same system calls. Upstream calls it experimental.
//!
//! | module | interfaces |
//! | --- | --- |
//! | [`reactor`] | the event loop |
//! | [`streams`] | `stream<u8>` of files and the like |
//! | [`cli`], [`clocks`], [`filesystem`] | those of 0.2, in the forms of 0.3; wasi:random |
//! | [`http`] | wasi:http |
//! | [`sockets`] | wasi:sockets |

mod cli;
mod clocks;
mod filesystem;
pub mod http;
mod reactor;
pub mod sockets;
mod streams;

use super::{View, Views};
use crate::system::System;
use bindings::wasi as generated;
use std::future::poll_fn;
use std::sync::Arc;
use wasmtime::component::{Accessor, Linker};
use wasmtime::{Result, Store};

pub use reactor::{Expected, Reactor};

/// The bindings that are made of the interfaces.
#[allow(missing_docs, reason = "made of wit-0.3/, which documents nothing")]
#[allow(clippy::all, clippy::cast_lossless, clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "made")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "wit-0.3",
        world: "wasi-rs:host/host",
        imports: {
            "wasi:cli/stdin": store | trappable,
            "wasi:cli/stdout": store | trappable,
            "wasi:cli/stderr": store | trappable,
            "wasi:filesystem/types.[method]descriptor.read-via-stream": store | trappable,
            "wasi:filesystem/types.[method]descriptor.write-via-stream": store | trappable,
            "wasi:filesystem/types.[method]descriptor.append-via-stream": store | trappable,
            "wasi:filesystem/types.[method]descriptor.read-directory": store | trappable,
            "wasi:sockets/types.[method]tcp-socket.listen": store | trappable,
            "wasi:sockets/types.[method]tcp-socket.send": store | trappable,
            "wasi:sockets/types.[method]tcp-socket.receive": store | trappable,
            "wasi:http/types.[drop]request": store | trappable,
            "wasi:http/types.[drop]response": store | trappable,
            "wasi:http/types.[static]request.consume-body": store | trappable,
            "wasi:http/types.[static]request.new": store | trappable,
            "wasi:http/types.[static]response.consume-body": store | trappable,
            "wasi:http/types.[static]response.new": store | trappable,
            default: trappable,
        },
        trappable_error_type: {
            "wasi:filesystem/types.error-code" => crate::wasi::errors::Failed,
            "wasi:sockets/types.error-code" => crate::wasi::sockets::errors::SocketFailed,
        },
        with: {
            "wasi:filesystem/types.descriptor": crate::wasi::filesystem::Descriptor,
            "wasi:sockets/types.tcp-socket": crate::wasi::p3::sockets::tcp::TcpSocket,
            "wasi:sockets/types.udp-socket": crate::wasi::p3::sockets::udp::UdpSocket,
            "wasi:http/types.fields": crate::wasi::http::fields::Fields,
            "wasi:http/types.request": crate::wasi::p3::http::Request,
            "wasi:http/types.request-options": crate::wasi::p3::http::RequestOptions,
            "wasi:http/types.response": crate::wasi::p3::http::Response,
            "wasi:cli/terminal-input.terminal-input": crate::wasi::cli::Terminal,
            "wasi:cli/terminal-output.terminal-output": crate::wasi::cli::Terminal,
        },
    });
}

/// Defines the interfaces of WASI 0.3 in a linker, whose engine supports concurrency.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> View<'_>) -> Result<()> {
    use generated::{cli, clocks, filesystem, http, random, sockets};
    cli::environment::add_to_linker::<T, Views>(linker, view)?;
    cli::exit::add_to_linker::<T, Views>(linker, view)?;
    cli::types::add_to_linker::<T, Views>(linker, view)?;
    cli::stdin::add_to_linker::<T, Views>(linker, view)?;
    cli::stdout::add_to_linker::<T, Views>(linker, view)?;
    cli::stderr::add_to_linker::<T, Views>(linker, view)?;
    cli::terminal_input::add_to_linker::<T, Views>(linker, view)?;
    cli::terminal_output::add_to_linker::<T, Views>(linker, view)?;
    cli::terminal_stdin::add_to_linker::<T, Views>(linker, view)?;
    cli::terminal_stdout::add_to_linker::<T, Views>(linker, view)?;
    cli::terminal_stderr::add_to_linker::<T, Views>(linker, view)?;
    clocks::types::add_to_linker::<T, Views>(linker, view)?;
    clocks::monotonic_clock::add_to_linker::<T, Views>(linker, view)?;
    clocks::system_clock::add_to_linker::<T, Views>(linker, view)?;
    filesystem::types::add_to_linker::<T, Views>(linker, view)?;
    filesystem::preopens::add_to_linker::<T, Views>(linker, view)?;
    http::types::add_to_linker::<T, Views>(linker, view)?;
    http::client::add_to_linker::<T, Views>(linker, view)?;
    random::random::add_to_linker::<T, Views>(linker, view)?;
    random::insecure::add_to_linker::<T, Views>(linker, view)?;
    random::insecure_seed::add_to_linker::<T, Views>(linker, view)?;
    sockets::types::add_to_linker::<T, Views>(linker, view)?;
    sockets::ip_name_lookup::add_to_linker::<T, Views>(linker, view)
}

impl View<'_> {
    /// The things that it waits for.
    pub const fn reactor(&self) -> &Arc<Reactor> {
        &self.wasi.reactor
    }

    /// Closes what streams that are gone have left: it is in the way of what comes next.
    fn close_left(&mut self) -> Result<()> {
        let reactor = Arc::clone(&self.wasi.reactor);
        reactor.close_left(&mut self.calls())
    }
}

/// Does something asynchronous with a store, which waits with these system calls: those of the guest, which
/// the store has already. An error is the end of the guest.
pub fn block_on<T: 'static, R>(
    store: &mut Store<T>,
    view: fn(&mut T) -> View<'_>,
    system: &mut dyn System,
    act: impl AsyncFnOnce(&mut Store<T>) -> R,
) -> Result<R> {
    let reactor = Arc::clone(&view(store.data_mut()).wasi.reactor);
    reactor::block_on(&reactor, system, act(store))
}

/// Does something in the event loop of a store, then waits until all that the guest has begun is done.
pub fn run<T: Send + 'static, R>(
    store: &mut Store<T>,
    view: fn(&mut T) -> View<'_>,
    system: &mut dyn System,
    act: impl AsyncFnOnce(&Accessor<T>) -> Result<R>,
) -> Result<R> {
    let idle = Arc::clone(&view(store.data_mut()).wasi.reactor);
    block_on(store, view, system, async |store| {
        let act = async |accessor: &Accessor<T>| {
            let result = act(accessor).await?;
            poll_fn(|context| accessor.poll_no_interesting_tasks(context)).await;
            // Messages that it has sent may be on their way.
            poll_fn(|context| idle.poll_idle(context)).await;
            Ok(result)
        };
        store.run_concurrent(act).await?
    })?
}

/// The interfaces, without their versions.
const KNOWN: [&str; 23] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/types",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/types",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/system-clock",
    "wasi:filesystem/types",
    "wasi:filesystem/preopens",
    "wasi:http/types",
    "wasi:http/client",
    "wasi:random/random",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:sockets/types",
    "wasi:sockets/ip-name-lookup",
];

/// True for one of the interfaces, without its version.
pub fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}
