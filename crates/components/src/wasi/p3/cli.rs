//! wasi:cli: the environment, the standard streams, the end.

use super::generated::cli::types::ErrorCode;
use super::generated::cli::{
    environment, exit, stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr, terminal_stdin,
    terminal_stdout, types,
};
use super::streams;
use crate::wasi::cli::{STDERR, STDIN, STDOUT, Terminal};
use crate::wasi::generated::cli as of_0_2;
use crate::wasi::streams::Place;
use crate::wasi::{View, Views};
use wasi_rs_core::abi::Errno;
use wasmtime::Result;
use wasmtime::component::{Access, FutureReader, Resource, StreamReader};

/// A future of the end of a stream.
type End = FutureReader<std::result::Result<(), ErrorCode>>;

const fn code_of(errno: Errno) -> ErrorCode {
    match errno {
        Errno::Ilseq => ErrorCode::IllegalByteSequence,
        Errno::Pipe => ErrorCode::Pipe,
        _ => ErrorCode::Io,
    }
}

impl environment::Host for View<'_> {
    fn get_environment(&mut self) -> Result<Vec<(String, String)>> {
        of_0_2::environment::Host::get_environment(self)
    }

    fn get_arguments(&mut self) -> Result<Vec<String>> {
        of_0_2::environment::Host::get_arguments(self)
    }

    fn get_initial_cwd(&mut self) -> Result<Option<String>> {
        of_0_2::environment::Host::initial_cwd(self)
    }
}

impl exit::Host for View<'_> {
    fn exit(&mut self, status: std::result::Result<(), ()>) -> Result<()> {
        of_0_2::exit::Host::exit(self, status)
    }

    fn exit_with_code(&mut self, code: u8) -> Result<()> {
        of_0_2::exit::Host::exit_with_code(self, code)
    }
}

impl types::Host for View<'_> {}

impl stdin::Host for View<'_> {}
impl stdout::Host for View<'_> {}
impl stderr::Host for View<'_> {}

impl<U: 'static> stdin::HostWithStore<U> for Views {
    fn read_via_stream(mut store: Access<'_, U, Self>) -> Result<(StreamReader<u8>, End)> {
        streams::read(&mut store, Place::Standard(STDIN), code_of)
    }
}

impl<U: 'static> stdout::HostWithStore<U> for Views {
    fn write_via_stream(mut store: Access<'_, U, Self>, data: StreamReader<u8>) -> Result<End> {
        streams::write(&mut store, Place::Standard(STDOUT), data, code_of)
    }
}

impl<U: 'static> stderr::HostWithStore<U> for Views {
    fn write_via_stream(mut store: Access<'_, U, Self>, data: StreamReader<u8>) -> Result<End> {
        streams::write(&mut store, Place::Standard(STDERR), data, code_of)
    }
}

impl terminal_input::Host for View<'_> {}

impl terminal_input::HostTerminalInput for View<'_> {
    fn drop(&mut self, terminal: Resource<Terminal>) -> Result<()> {
        self.drop_terminal(terminal)
    }
}

impl terminal_output::Host for View<'_> {}

impl terminal_output::HostTerminalOutput for View<'_> {
    fn drop(&mut self, terminal: Resource<Terminal>) -> Result<()> {
        self.drop_terminal(terminal)
    }
}

impl terminal_stdin::Host for View<'_> {
    fn get_terminal_stdin(&mut self) -> Result<Option<Resource<Terminal>>> {
        self.terminal(STDIN)
    }
}

impl terminal_stdout::Host for View<'_> {
    fn get_terminal_stdout(&mut self) -> Result<Option<Resource<Terminal>>> {
        self.terminal(STDOUT)
    }
}

impl terminal_stderr::Host for View<'_> {
    fn get_terminal_stderr(&mut self) -> Result<Option<Resource<Terminal>>> {
        self.terminal(STDERR)
    }
}
