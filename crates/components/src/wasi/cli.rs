//! wasi:cli: the environment, the standard streams, the end.

use super::generated::cli::{
    environment, exit, stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr, terminal_stdin,
    terminal_stdout,
};
use super::streams::{InputStream, OutputStream};
use super::{Failed, View};
use wasi_rs_core::abi::flags::{Filetype, Rights};
use wasmtime::Result;
use wasmtime::component::Resource;

/// The resources `terminal-input` and `terminal-output`.
#[derive(Debug)]
pub struct Terminal;

/// The descriptors of the standard streams.
pub const STDIN: u32 = 0;
pub const STDOUT: u32 = 1;
pub const STDERR: u32 = 2;

impl environment::Host for View<'_> {
    fn get_environment(&mut self) -> Result<Vec<(String, String)>> {
        let all = self.calls().environment()?;
        let pairs = all.into_iter().map(|one| match one.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (one, String::new()),
        });
        Ok(pairs.collect())
    }

    fn get_arguments(&mut self) -> Result<Vec<String>> {
        Ok(self.calls().args()?)
    }

    fn initial_cwd(&mut self) -> Result<Option<String>> {
        Ok(None)
    }
}

impl exit::Host for View<'_> {
    fn exit(&mut self, status: std::result::Result<(), ()>) -> Result<()> {
        Err(self.calls().exit(status.is_err().into()))
    }

    fn exit_with_code(&mut self, code: u8) -> Result<()> {
        Err(self.calls().exit(code.into()))
    }
}

impl stdin::Host for View<'_> {
    fn get_stdin(&mut self) -> Result<Resource<InputStream>> {
        Ok(self.wasi.table.push(InputStream::standard(STDIN))?)
    }
}

impl stdout::Host for View<'_> {
    fn get_stdout(&mut self) -> Result<Resource<OutputStream>> {
        Ok(self.wasi.table.push(OutputStream::standard(STDOUT))?)
    }
}

impl stderr::Host for View<'_> {
    fn get_stderr(&mut self) -> Result<Resource<OutputStream>> {
        Ok(self.wasi.table.push(OutputStream::standard(STDERR))?)
    }
}

impl View<'_> {
    /// A terminal, if the descriptor is one.
    pub(super) fn terminal(&mut self, fd: u32) -> Result<Option<Resource<Terminal>>> {
        let is_terminal = match self.calls().fdstat(fd) {
            // Other devices can be sought in.
            Ok(stat) => {
                let can_seek = Rights::from_bits_truncate(stat.rights_base).contains(Rights::FD_SEEK);
                stat.filetype == Filetype::CharacterDevice.number() && !can_seek
            }
            Err(Failed::Errno(_)) => false,
            Err(Failed::Trap(error)) => return Err(error),
        };
        Ok(if is_terminal { Some(self.wasi.table.push(Terminal)?) } else { None })
    }

    pub(super) fn drop_terminal(&mut self, terminal: Resource<Terminal>) -> Result<()> {
        self.wasi.table.delete(terminal)?;
        Ok(())
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
